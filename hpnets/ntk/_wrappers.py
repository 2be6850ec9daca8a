"""What torch wraps around a network: compiled and DataParallel wrappers are taken off, FSDP's is refused."""

from torch import nn


def eager(net: nn.Module) -> nn.Module:
    """The plain module inside torch.compile and DataParallel wrappers; ValueError for FSDP, whose weights are split."""
    if not isinstance(net, nn.Module):
        raise ValueError(f"net is a {type(net).__name__}; allowed: an nn.Module, which holds the parameters")
    while True:
        if isinstance(net, nn.parallel.DistributedDataParallel | nn.DataParallel):
            net = net.module
        elif isinstance(getattr(net, "_orig_mod", None), nn.Module):
            net = net._orig_mod  # type: ignore[assignment]
        else:
            break
    # FSDP2 derives a class from that of each module, and FSDPModule.
    modules = list(net.modules())
    classes = {base.__name__ for kind in set(map(type, modules)) for base in kind.__mro__}
    kinds = {type(p).__name__ for module in modules for p in module._parameters.values()}
    if classes & {"FullyShardedDataParallel", "FSDPModule"} or "DTensor" in kinds:
        raise ValueError("net is sharded (FSDP): its layers hold parts of weights; pass an unsharded copy of it")
    return net


def plain_name(name: str) -> str:
    """A parameter's name without the prefixes that torch.compile adds."""
    return name.replace("_orig_mod.", "")

"""Finding a network in training, and measuring it without a change to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from hpnets.ntk import plain_call, trainable_parameters, undisturbed

ROWS = 4096  # samples of one forward pass
FindNetwork = str | Callable[[pl.LightningModule], nn.Module] | None


@contextmanager
def eval_mode(net: nn.Module) -> Iterator[None]:
    """Put every module of `net` in eval mode, and each back in its own mode at the end."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def outputs_of(net: nn.Module, x: Tensor) -> Tensor:
    """f(x) (N, O), float64 on the CPU, without gradients; what forward writes, and the RNGs, are as before.

    Raises ValueError for a parameter that a lazy module has not made yet, which this would make.
    """
    trainable_parameters(net)
    x = x.to(next(net.parameters()))
    with undisturbed(net, x.device):
        return torch.cat([plain_call(net, rows) for rows in x.split(ROWS)]).double().cpu()


def find_network(module: pl.LightningModule, net: FindNetwork) -> nn.Module:
    """The network in a LightningModule, uncompiled; raises ValueError if it is not where `net` says."""
    names = [net] if isinstance(net, str) else ["net", "model"]
    network = net(module) if callable(net) else next((getattr(module, n) for n in names if hasattr(module, n)), None)
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"{type(module).__name__} has no network in {' or '.join(map(repr, names))}: name it, "
            "NTKMonitor(x, net='attribute') or NTKMonitor(x, net=lambda module: ...)"
        )
    return getattr(network, "_orig_mod", network)

"""BatchNorm's statistics at the start of training are estimated, since the running ones are not yet those of data."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hpnets.ntk._state import kept_state, undisturbed
from hpnets.ntk._wrappers import eager

_BatchNorm = nn.modules.batchnorm._BatchNorm
MEMORY = 1e-3  # the weight of their start that running statistics may still have


def statistics_remember_start(net: nn.Module) -> bool:
    r"""Whether the running statistics of some BatchNorm layer still remember that they started at mean 0, variance 1.

        (1 - momentum)^t > 1e-3,   t = num_batches_tracked

    The left side is the weight of the start after t batches; it falls below 1e-3 after 66 batches at the default
    momentum of 0.1. With momentum=None, statistics are means over all batches since the start, so they never forget
    the weights that the network had then, and the answer is always True. Layers whose statistics do not move are left
    out: those with momentum=0, those without running statistics, and frozen ones (in eval mode while other modules of
    the network are in train mode).
    """
    return any(_remembers(layer) for layer in _moving(net))


@contextmanager
def estimated_statistics(net: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    r"""Give every BatchNorm layer of `net` the statistics of `batches` within the block, and its own ones after it.

        running_mean = mean_b E[h_b],   running_var = mean_b Var[h_b],   h_b the layer's inputs for batch b

    One pass without gradients gives them; in it BatchNorm layers are in train mode and all other modules in eval mode.
    Buffers, whatever else forward leaves on modules, modes and random states are put back, also after an exception.
    Layers whose statistics do not move (see `statistics_remember_start`), and layers that the pass does not reach, keep
    what they have.

    Args:
        net: a network in train or eval mode; the block leaves the mode as it is.
        batches: inputs (n, ...), one batch after another, on the device and of the dtype that `net` takes.

    Raises ValueError if there are layers to estimate and no batches.

        with estimated_statistics(net, [x for x, _ in loader]):
            net.eval()
            kernel = ntk(net, probe, outputs="trace")
    """
    net = eager(net)
    layers = _moving(net)
    with _copied_buffers(net):
        if layers:
            _estimate(net, layers, batches)
        yield


def _moving(net: nn.Module) -> list[_BatchNorm]:
    """The BatchNorm layers whose running statistics move while `net` trains."""
    layers = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    # A net that is in eval mode as a whole does not show which of its layers are frozen: none is taken to be.
    training = any(module.training for module in net.modules())
    return [m for m in layers if m.running_mean is not None and m.momentum != 0 and (m.training or not training)]


def _remembers(layer: _BatchNorm) -> bool:
    if layer.momentum is None or layer.num_batches_tracked is None:
        return True
    return (1 - layer.momentum) ** int(layer.num_batches_tracked) > MEMORY


def _estimate(net: nn.Module, layers: list[_BatchNorm], batches: Iterable[Tensor]) -> None:
    """Set the statistics of `layers` to the means over the batches."""
    before = [{name: b.clone() for name, b in layer.named_buffers()} for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
    count, modules = 0, list(net.modules())
    with _train_only(net, layers):
        for x in batches:
            with undisturbed(net, x.device), kept_state(modules):
                net(x.clone())  # a network may write to its samples
            count += 1
    if count == 0:
        raise ValueError("batches is empty; allowed: at least one tensor of inputs (n, ...)")
    for layer, own in zip(layers, before, strict=True):
        if not int(layer.num_batches_tracked):  # type: ignore[arg-type]
            layer.load_state_dict(own, strict=False)


@contextmanager
def _train_only(net: nn.Module, layers: list[_BatchNorm]) -> Iterator[None]:
    """Put `layers` in train mode with means over all batches, every other module in eval mode; restore both after."""
    modes = [(module, module.training) for module in net.modules()]
    momenta = [layer.momentum for layer in layers]
    net.eval()
    for layer in layers:
        layer.training, layer.momentum = True, None
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


@contextmanager
def _copied_buffers(net: nn.Module) -> Iterator[None]:
    """Let `net` run on copies of its buffers; afterwards its own buffers are in place again, the same objects.

    Copying values back instead would count as a change of tensors that a graph may have saved.
    """
    places = [
        (module, name, buffer)
        for module in net.modules()
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False)
    ]
    with torch.inference_mode(False):  # a backward pass cannot save tensors made in inference mode
        copies = {id(buffer): buffer.clone() for _, _, buffer in places}
    try:
        for module, name, buffer in places:
            setattr(module, name, copies[id(buffer)])
        yield
    finally:
        for module, name, buffer in places:
            setattr(module, name, buffer)

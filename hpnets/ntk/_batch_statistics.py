"""BatchNorm's statistics at the start of training, where the running ones are of no data: estimated, and put back."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import eager
from hpnets.ntk._state import undisturbed

_BatchNorm = nn.modules.batchnorm._BatchNorm
MEMORY = 1e-3  # the share of their start that running statistics may still hold


def statistics_remember_start(net: nn.Module) -> bool:
    r"""Whether the running statistics of some BatchNorm layer still remember that they started at mean 0, variance 1.

        (1 - momentum)^t > 1e-3,   t = num_batches_tracked

    This is the weight of the start after t batches: 66 batches at the default momentum of 0.1. With momentum=None,
    statistics are means over all batches since the start: they never forget the weights of then, and always count.
    Layers whose statistics do not move are left out: with momentum=0, without running statistics, and frozen ones,
    those in eval mode in a network that has modules in train mode.
    """
    return any(_remembers(layer) for layer in _moving(net))


@contextmanager
def estimated_statistics(net: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    r"""Give every BatchNorm layer of `net` the statistics of `batches` within the block, and its own ones after it.

        running_mean = mean_b E[h_b],   running_var = mean_b Var[h_b],   h_b the layer's inputs for batch b

    One pass without gradients gives them, in which BatchNorm layers are in train mode and all others in eval mode.
    Buffers, modes and random states are put back, after an exception too. Layers whose statistics do not move (see
    `statistics_remember_start`), and those that the pass does not reach, keep what they have.

    Args:
        net: in any mode, which the block keeps.
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
    # A net that is in eval mode as a whole says nothing of how it is trained.
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
    count = 0
    with _train_only(net, layers):
        for x in batches:
            with undisturbed(net, x.device):
                net(x)
            count += 1
    if count == 0:
        raise ValueError("batches is empty; allowed: at least one tensor of inputs (n, ...)")
    for layer, own in zip(layers, before, strict=True):
        if not int(layer.num_batches_tracked):  # type: ignore[arg-type]
            layer.load_state_dict(own, strict=False)


@contextmanager
def _train_only(net: nn.Module, layers: list[_BatchNorm]) -> Iterator[None]:
    """`layers` in train mode, taking means over all batches, and every other module in eval mode; then as before."""
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
    """`net` on copies of its buffers: what is written into them is forgotten, and its own are again the same objects.

    This differs from copying values back, which would count as a change of tensors that a graph may have saved.
    """
    places = [
        (module, name, buffer)
        for module in net.modules()
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False)
    ]
    with torch.inference_mode(False):  # or no backward pass could save them
        copies = {id(buffer): buffer.clone() for _, _, buffer in places}
    try:
        for module, name, buffer in places:
            setattr(module, name, copies[id(buffer)])
        yield
    finally:
        for module, name, buffer in places:
            setattr(module, name, buffer)

r"""Hadamard chains: layers whose unit h reaches the read-out's input h alone, so that df_o/dz[h] = R[o, h] D[h]."""

import torch
from torch import Tensor

from hpnets.ntk._call import Call
from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._rules.base import fold_channels
from hpnets.ntk._tape import Tape


def separable_layers(tape: Tape, layers: tuple[Layer, ...], readout: int, params: Params) -> tuple[int, ...]:
    """The indices of layers as wide as the read-out's input y_N whose unit h reaches only y_N[h], on these samples.

    There are none if the read-out does not use its parameter as it is.
    """
    last = layers[readout].only_call(tape)
    near = [i for i, layer in enumerate(layers) if i != readout and _is_near(layer, last.A.shape[1])]
    if not near or not _reads_by(read_weight(params, tape, layers[readout]), last, tape.y):
        return ()
    v = _random_like(last.A)
    candidates = tuple(layers[i] for i in near)
    D, Dv = (diagonals(tape, layers[readout], candidates, seed) for seed in (torch.ones_like(v), v))
    return tuple(i for i, layer, d, dv in zip(near, candidates, D, Dv, strict=True) if _apart(layer, tape, d, dv, v))


def read_weight(params: Params, tape: Tape, readout: Layer) -> Tensor | None:
    """The read-out's W (O, H), None where torch's parametrize or a hook computes it."""
    name = readout.locals.get("weight")
    return readout.only_call(tape).module._parameters.get("weight") if name is None else params[name]


def _reads_by(W: Tensor | None, last: Call, y: Tensor) -> bool:
    """Whether dy/dy_N = W: a net may call the read-out with another weight than its own, or change it in forward."""
    if W is None or last.A_edge is None:
        return False
    v = _random_like(y)
    (g,) = torch.autograd.grad([y], [last.A_edge], [v], retain_graph=True, allow_unused=True)
    return g is not None and _equal(g, v @ W.detach())


def _random_like(t: Tensor) -> Tensor:
    return torch.randn(t.shape, generator=torch.Generator().manual_seed(0), dtype=t.dtype).to(t.device)


def _equal(a: Tensor, b: Tensor) -> bool:
    """Whether a = b up to rounding: both come of the same products in another order, which costs some tens of it."""
    return bool(torch.linalg.vector_norm(a - b) <= 64 * torch.finfo(b.dtype).eps * torch.linalg.vector_norm(b))


def _is_near(layer: Layer, units: int) -> bool:
    geometry = layer.geometry
    return geometry is not None and (geometry.q, geometry.H, len(layer.sources)) == (1, units, 1)


def diagonals(tape: Tape, readout: Layer, layers: tuple[Layer, ...], seed: Tensor) -> list[Tensor | None]:
    """For each layer J^T seed, J = dy_N/dz, shaped as its output z; a seed of ones gives D of a separable layer."""
    last = readout.only_call(tape)
    assert last.A_edge is not None
    edges = [layer.only_call(tape).edge for layer in layers]
    # A_edge stands for y_N: torch.autograd.grad takes an edge in place of a tensor.
    return list(torch.autograd.grad([last.A_edge], edges, [seed], retain_graph=True, allow_unused=True))


def _apart(layer: Layer, tape: Tape, d: Tensor | None, dv: Tensor | None, v: Tensor) -> bool:
    """Whether J^T v = D * v up to rounding for a random v (n, H), which has probability 0 unless J is diagonal."""
    if d is None or dv is None:
        return False
    module, (rule, _) = layer.only_call(tape).module, layer.outer
    G, Gv = (fold_channels(rule.channels(module, g.unsqueeze(0)), len(v))[0, :, 0] for g in (d, dv))
    return G.numel() == d.numel() and _equal(Gv, G * v[:, :, None])

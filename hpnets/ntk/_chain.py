r"""Hadamard chains: layers whose unit h reaches the read-out's input h alone, so that df_o/dz[h] = R[o, h] D[h]."""

import torch
from torch import Tensor

from hpnets.ntk._layer import Layer
from hpnets.ntk._rules.base import fold_channels
from hpnets.ntk._tape import Tape


def separable_layers(tape: Tape, layers: tuple[Layer, ...], readout: int) -> tuple[int, ...]:
    """The indices of layers as wide as the read-out's input y_N whose unit h reaches only y_N[h], on these samples."""
    last = layers[readout].only_call(tape)
    near = [i for i, layer in enumerate(layers) if i != readout and _is_near(layer, last.A.shape[1])]
    if last.A_edge is None or not near:
        return ()
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(last.A.shape, generator=generator, dtype=last.A.dtype).to(last.A.device)
    candidates = tuple(layers[i] for i in near)
    D, Dv = (diagonals(tape, layers[readout], candidates, seed) for seed in (torch.ones_like(v), v))
    return tuple(i for i, layer, d, dv in zip(near, candidates, D, Dv, strict=True) if _apart(layer, tape, d, dv, v))


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
    product = G * v[:, :, None]
    error, size = (torch.linalg.vector_norm(t) for t in (Gv - product, product))
    # Both sides pass through the same products in another order, which costs some tens of roundings.
    return G.numel() == d.numel() and bool(error <= 64 * torch.finfo(v.dtype).eps * size)

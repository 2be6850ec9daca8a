"""Algorithm `jacobian`: the per-sample Jacobian in tiles, then one product. Any network; the reference."""

from functools import partial

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from hpnets.ntk._budget import HOLES, Driver, empty, numel, peak_bytes, rows_that_fit, tiled_kernel
from hpnets.ntk._functional import Params, SingleOutput
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._survey import Survey
from hpnets.ntk._terms.base import add_products, block_numel, mirror

# Gradients of activations in one vectorised pass after another, with the holes between them; measured.
RECURRING = 3


def jacobian_kernel(
    f: SingleOutput,
    params: Params,
    x1: Tensor,
    x2: Tensor | None,
    selection: OutputSelection,
    tile: int,
    drive: Driver = tiled_kernel,
    total: Tensor | None = None,
) -> Tensor:
    """K (N1, N2) if selection.flat, else (C, N1, C, N2), from J (C, n, P) in tiles of n samples; O(n C P) memory.

    Added to `total`, a kernel of x1 and x2 in that form, in its place, if one is given.
    """
    contract = partial(_contract, fresh=total is None)
    return drive(x1, x2, selection, tile, lambda x, old: jacobian(f, params, x, old), contract, total)


def jacobian_tile(
    params: Params,
    found: Survey,
    selection: OutputSelection,
    n1: int,
    n2: int,
    item: int,
    budget: int,
    later: bool = False,
) -> tuple[int, int]:
    """(samples of a tile, predicted bytes): the largest tile that fits; ValueError if one sample does not.

    later: other passes were made before, so that these recur even in one tile.
    """
    C, longest = selection.columns, max(n1, n2)
    sample = C * numel(params)
    # A vectorised pass holds what autograd saves, and C gradients on the way through the widest layer.
    passes = 2 * found.saved + 2 * C * found.widest

    def needs(t: int) -> int:
        single = t >= longest and n1 == n2
        # Beside J of one tile or two, the parts of it that jacrev returns; those of the last tile leave holes if small.
        small = item * t * C * max(p.numel() for p in params.values()) < HOLES
        held = (2 if single else 3 + small) * t * sample + block_numel(t, min(t, n2), C, selection.flat)
        return peak_bytes(item * held, item * t * passes * (1 if single and not later else RECURRING), recur=False)

    rows_that_fit(needs(1), budget, longest)
    tile = longest
    while needs(tile) > budget:
        tile = -(-tile * 7 // 8) if tile > 8 else tile - 1
    return tile, needs(tile)


def jacobian(f: SingleOutput, params: Params, x: Tensor, old: Tensor | None = None) -> Tensor:
    """J (C, n, P) at the samples of x, vectorised where the net allows it, else sample by sample; in `old`'s memory."""
    try:
        parts = list(vmap(jacrev(f), (None, 0))(params, x).values())
    except RuntimeError:
        # Recurrent layers and branches on values have no batching rule. Another error comes up again here.
        samples = [_sample_jacobian(f, params, x_i) for x_i in x]
        parts = [torch.stack(part) for part in zip(*samples, strict=True)]
    J = empty(x, (parts[0].shape[1], len(x), numel(params)), old)
    for place, part in zip(J.split([p.numel() for p in params.values()], dim=2), parts, strict=True):
        place.copy_(part.reshape(*part.shape[:2], -1).transpose(0, 1))
    return J


def _sample_jacobian(f: SingleOutput, params: Params, x_i: Tensor) -> list[Tensor]:
    """Per parameter (C, *shape), one backward pass an output."""
    leaves = [p.detach().requires_grad_() for p in params.values()]
    with torch.enable_grad():
        y = f(dict(zip(params, leaves, strict=True)), x_i).unbind()
    if not y[0].requires_grad:
        return [p.new_zeros(len(y), *p.shape) for p in leaves]
    rows = [torch.autograd.grad(y_c, leaves, retain_graph=True, materialize_grads=True) for y_c in y]
    return [torch.stack(part) for part in zip(*rows, strict=True)]


def _contract(k: Tensor, left: Tensor, right: Tensor, symmetric: bool, fresh: bool) -> None:
    if fresh:
        k.zero_()
    add_products(k, left, right, None, symmetric)
    if symmetric:
        mirror(k)

"""Algorithm `ntkvp`: K e = J1 (J2^T e), a jvp after a vjp, so that no Jacobian is stored."""

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from hpnets.ntk.functional import Params, SingleOutput
from hpnets.ntk.layers import Survey
from hpnets.ntk.memory import numel, peak_bytes, rows_that_fit, tiles
from hpnets.ntk.outputs import Mode


def ntkvp_kernel(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor | None, mode: Mode, tile: int) -> Tensor:
    """K (N1, N2) if mode.flat, else (C, N1, C, N2): column (j, c) is the jvp at x1 along the vjp of f_c at x2_j."""
    columns = x1 if x2 is None else x2
    kernel = x1.new_empty((len(x1), len(columns)) if mode.flat else (mode.columns, len(x1), mode.columns, len(columns)))
    for cols in tiles(len(columns), tile):
        k = _columns(f, params, x1, columns[cols], mode)
        if mode.flat:
            kernel[:, cols] = torch.einsum("mcnc->nm", k)
        else:
            kernel[..., cols] = k.permute(3, 2, 1, 0)
    return kernel


def ntkvp_tile(params: Params, found: Survey, mode: Mode, n1: int, n2: int, item: int, budget: int) -> tuple[int, int]:
    """(columns of a tile, bytes). A column holds its tangent, and each activation over x1 with its tangent."""
    column = item * mode.columns * (numel(params) + 2 * n1 * found.saved)
    rows_that_fit(peak_bytes(0, column, recur=n2 > 1), budget, n2)
    tile = n2
    while peak_bytes(0, tile * column, recur=tile < n2) > budget:
        tile = -(-tile * 7 // 8) if tile > 8 else tile - 1
    return tile, peak_bytes(0, tile * column, recur=tile < n2)


def _columns(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor, mode: Mode) -> Tensor:
    """K^T (m, C, n, C)."""
    basis = torch.eye(mode.columns, dtype=x1.dtype, device=x1.device)

    def column(x2_j: Tensor, e: Tensor) -> Tensor:
        (tangent,) = vjp(lambda p: f(p, x2_j), params)[1](e)
        return jvp(lambda p: vmap(f, (None, 0))(p, x1), (params,), (tangent,))[1]

    return vmap(vmap(column, (None, 0)), (0, None))(x2, basis)

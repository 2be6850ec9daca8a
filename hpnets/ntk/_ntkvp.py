"""Algorithm `ntkvp`: K e = J1 (J2^T e), a jvp after a vjp, so that no Jacobian is stored."""

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from hpnets.linalg import tiles
from hpnets.ntk._budget import numel, peak_bytes, rows_that_fit
from hpnets.ntk._functional import Params, SingleOutput
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._survey import Survey


def ntkvp_kernel(
    f: SingleOutput, params: Params, x1: Tensor, x2: Tensor | None, selection: OutputSelection, tile: int
) -> Tensor:
    """K (N1, N2) if selection.flat, else (C, N1, C, N2): column (j, c): a jvp at x1 along the vjp of f_c at x2_j."""
    columns = x1 if x2 is None else x2
    kernel = x1.new_empty(
        (len(x1), len(columns)) if selection.flat else (selection.columns, len(x1), selection.columns, len(columns))
    )
    for cols in tiles(len(columns), tile):
        k = _columns(f, params, x1, columns[cols], selection)
        if selection.flat:
            kernel[:, cols] = torch.einsum("mcnc->nm", k)
        else:
            kernel[..., cols] = k.permute(3, 2, 1, 0)
    return kernel


def ntkvp_tile(
    params: Params, found: Survey, selection: OutputSelection, n1: int, n2: int, item: int, budget: int
) -> tuple[int, int]:
    """(columns of a tile, bytes). A column holds its tangent, and each activation over x1 with its tangent."""
    column = item * selection.columns * (numel(params) + 2 * n1 * found.saved)
    rows_that_fit(peak_bytes(0, column, recur=n2 > 1), budget, n2)
    tile = n2
    while peak_bytes(0, tile * column, recur=tile < n2) > budget:
        tile = -(-tile * 7 // 8) if tile > 8 else tile - 1
    return tile, peak_bytes(0, tile * column, recur=tile < n2)


def _columns(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor, selection: OutputSelection) -> Tensor:
    """K^T (m, C, n, C)."""
    basis = torch.eye(selection.columns, dtype=x1.dtype, device=x1.device)

    def column(x2_j: Tensor, e: Tensor) -> Tensor:
        (tangent,) = vjp(lambda p: f(p, x2_j), params)[1](e)
        return jvp(lambda p: vmap(f, (None, 0))(p, x1), (params,), (tangent,))[1]

    return vmap(vmap(column, (None, 0)), (0, None))(x2, basis)

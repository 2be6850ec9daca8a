"""Algorithm `ntkvp`: K e = J1 (J2^T e), a jvp after a vjp, so that no Jacobian is stored."""

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from hpnets.linalg import tiles
from hpnets.ntk._budget import numel, peak_bytes, rows_that_fit
from hpnets.ntk._functional import Params, SingleOutput
from hpnets.ntk._problem import Problem
from hpnets.ntk._survey import Survey


def ntkvp_kernel(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor | None, problem: Problem, tile: int) -> Tensor:
    """K (N1, N2) if problem.flat, else (C, N1, C, N2): column (j, c) is a jvp at x1 along the vjp of f_c at x2_j."""
    columns, C = x1 if x2 is None else x2, problem.C
    kernel = x1.new_empty((len(x1), len(columns)) if problem.flat else (C, len(x1), C, len(columns)))
    for cols in tiles(len(columns), tile):
        k = _columns(f, params, x1, columns[cols], C)
        if problem.flat:
            kernel[:, cols] = torch.einsum("mcnc->nm", k)
        else:
            kernel[..., cols] = k.permute(3, 2, 1, 0)
    return kernel


def ntkvp_tile(params: Params, survey: Survey, problem: Problem, budget: int) -> tuple[int, int]:
    """The columns of a tile that fits `budget`, and its bytes.

    A column holds its tangent in the parameters, and every activation over x1 with the tangent of that.
    """
    n2 = problem.n2
    column = problem.item * problem.C * (numel(params) + 2 * problem.n1 * survey.saved)
    rows_that_fit(peak_bytes(0, column, recur=n2 > 1), budget, n2)
    tile = n2
    while peak_bytes(0, tile * column, recur=tile < n2) > budget:
        tile = -(-tile * 7 // 8) if tile > 8 else tile - 1
    return tile, peak_bytes(0, tile * column, recur=tile < n2)


def _columns(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor, C: int) -> Tensor:
    """K^T (m, C, n, C) for the m samples of x2 and the n of x1."""
    basis = torch.eye(C, dtype=x1.dtype, device=x1.device)

    def column(x2_j: Tensor, e: Tensor) -> Tensor:
        (tangent,) = vjp(lambda p: f(p, x2_j), params)[1](e)
        return jvp(lambda p: vmap(f, (None, 0))(p, x1), (params,), (tangent,))[1]

    return vmap(vmap(column, (None, 0)), (0, None))(x2, basis)

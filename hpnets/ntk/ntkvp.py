"""Algorithm `ntkvp`: K e = J1 (J2^T e), a jvp after a vjp, so that no Jacobian is stored."""

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from hpnets.ntk.functional import Params, SingleOutput
from hpnets.ntk.memory import numel, rows_that_fit, tiles


def ntkvp_kernel(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor | None, *, trace: bool, budget: int) -> Tensor:
    """K (N1, N2, O, O), or (N1, N2) if `trace`: column (j, o) is the jvp at all of x1 along the vjp of f_o at x2_j."""
    columns = x1 if x2 is None else x2
    width = f(params, x1[0]).numel()
    row_bytes = width * _column_numel(f, params, x1) * x1.element_size()
    parts = [
        _tile(f, params, x1, columns[cols], trace)
        for cols in tiles(len(columns), rows_that_fit(row_bytes, budget, len(columns)))
    ]
    return torch.cat(parts, dim=1)


def _tile(f: SingleOutput, params: Params, x1: Tensor, x2: Tensor, trace: bool) -> Tensor:
    basis = torch.eye(f(params, x1[0]).numel(), dtype=x1.dtype, device=x1.device)

    def column(x2_j: Tensor, e: Tensor) -> Tensor:
        (tangent,) = vjp(lambda p: f(p, x2_j), params)[1](e)
        return jvp(lambda p: vmap(f, (None, 0))(p, x1), (params,), (tangent,))[1]

    k = vmap(vmap(column, (None, 0)), (0, None))(x2, basis)
    return torch.einsum("mono->nm", k) if trace else k.permute(2, 0, 3, 1)


def _column_numel(f: SingleOutput, params: Params, x1: Tensor) -> int:
    """Scalars alive for one column: the tangent, and every intermediate of the forward pass over x1 with its tangent.

    Intermediates are what autograd saves for one sample, as counted by its saved-tensor hooks.
    """
    saved = 0

    def count(t: Tensor) -> Tensor:
        nonlocal saved
        saved += t.numel()
        return t

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
        f({name: p.detach().requires_grad_() for name, p in params.items()}, x1[0])
    # The parameters are saved too; subtracted, what is left are the activations.
    activations = max(saved - numel(params), x1[0].numel())
    return numel(params) + 2 * len(x1) * activations

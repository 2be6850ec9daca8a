"""Algorithm `jacobian`: the per-sample Jacobian in tiles, then one product per parameter. The reference."""

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from hpnets.ntk.functional import Params, SingleOutput
from hpnets.ntk.memory import numel, rows_that_fit, tiles

# Two tiles of Jacobian are alive at once, and jacrev holds each twice for a moment (per-parameter parts, then stacked).
COPIES = 4


def jacobian_kernel(
    f: SingleOutput, params: Params, x1: Tensor, x2: Tensor | None, *, trace: bool, budget: int
) -> Tensor:
    """K (N1, N2, O, O), or (N1, N2) if `trace`, from J (n, O, P) in tiles of n rows; O(n O P) memory, any network."""
    width = f(params, x1[0]).numel()
    row_bytes = COPIES * width * numel(params) * x1.element_size()
    n1 = tiles(len(x1), rows_that_fit(row_bytes, budget, len(x1)))
    n2 = n1 if x2 is None else tiles(len(x2), rows_that_fit(row_bytes, budget, len(x2)))
    columns = x1 if x2 is None else x2
    kernel = x1.new_empty((len(x1), len(columns)) if trace else (len(x1), len(columns), width, width))
    for a, rows in enumerate(n1):
        j1 = jacobian(f, params, x1[rows])
        for b, cols in enumerate(n2):
            if x2 is None and b < a:
                kernel[rows, cols] = (
                    kernel[cols, rows].transpose(0, 1).transpose(-1, -2) if not trace else kernel[cols, rows].T
                )
                continue
            j2 = j1 if x2 is None and a == b else jacobian(f, params, columns[cols])
            kernel[rows, cols] = contract(j1, j2, trace)
    return kernel


def jacobian(f: SingleOutput, params: Params, x: Tensor) -> list[Tensor]:
    """Per parameter p the Jacobian (n, O, numel(p)) at the samples of x."""
    return [j.flatten(2) for j in vmap(jacrev(f), (None, 0))(params, x).values()]


def contract(j1: list[Tensor], j2: list[Tensor], trace: bool) -> Tensor:
    """sum_p j1_p j2_p^T as (n, m, O, O), or its trace over the outputs as (n, m)."""
    if trace:
        return torch.stack([a.flatten(1) @ b.flatten(1).T for a, b in zip(j1, j2, strict=True)]).sum(0)
    (n, width, _), m = j1[0].shape, len(j2[0])
    blocks = torch.stack([a.flatten(0, 1) @ b.flatten(0, 1).T for a, b in zip(j1, j2, strict=True)]).sum(0)
    return blocks.reshape(n, width, m, width).permute(0, 2, 1, 3)

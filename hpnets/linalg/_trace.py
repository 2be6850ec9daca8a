"""The trace of a symmetric matrix by products alone, with its standard error."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.linalg._operators import SymmetricOperator, as_operator, product


@dataclass(frozen=True)
class Trace:
    """An estimate of tr K, unbiased. error: its standard error over the test vectors. products: how many K z."""

    value: float
    error: float
    products: int


def trace(kernel: Tensor | SymmetricOperator, *, vectors: int = 16, seed: int = 0) -> Trace:
    r"""tr K = E z^T K z over `vectors` random signs z, for K (N, N), (N, N, O, O) or an operator.

    The variance of z^T K z is 2 sum_{i != j} K_ij^2: none for a diagonal matrix, and at most 2 |K|_F^2.

    Raises ValueError for fewer than 2 vectors, or an unfit kernel.

    Source: Hutchinson 1989, Commun. Stat. Simul. Comput. 18(3).
    """
    if vectors < 2:
        raise ValueError(f"vectors is {vectors}; allowed: >= 2")
    operator, generator, samples = as_operator(kernel), torch.Generator().manual_seed(seed), []
    for _ in range(vectors):  # one by one, so that only one vector (rows,) and its product are held
        z = 2.0 * torch.randint(2, (operator.shape[0], 1), generator=generator).double() - 1
        z = z.to(operator.device)
        samples.append((z * product(operator, z)).sum())
    values = torch.stack(samples)
    return Trace(float(values.mean()), float(values.std() / vectors**0.5), vectors)

"""The contraction "chunks": the gradients of some units h at a time are formed, then their products."""

from torch import Tensor

from hpnets.linalg import tiles
from hpnets.ntk._layer import Geometry
from hpnets.ntk._problem import Problem
from hpnets.ntk._terms.base import BLOCK, SHARES, add_product, add_products, block_numel

# This many scalars of gradients are formed at a time, for each of the two sides.
CHUNK = 2**21


def add_chunks(k: Tensor, P1: Tensor, G1: Tensor, P2: Tensor, G2: Tensor, symmetric: bool) -> None:
    """Add sum_hi dW1[h, i] dW2[h, i], dW[h, i] = sum_s G[h, s] P[s, i], to k (n1, n2) or (C, n1, C, n2).

    P (n, q, S, I), G (n, q, C, H, S); if symmetric, only `upper_blocks` of k need to be right.
    """
    C, H = G1.shape[2:4]
    step = max(1, CHUNK // (C * max(len(P1), len(P2)) * P1.shape[1] * P1.shape[3]))
    # Gradients come out with the samples first; they are put into k's order, which copies them, only where k is large.
    outputs_first = k.ndim == 4 and len(P1) * C > BLOCK
    K = k if outputs_first or k.ndim == 2 else k.new_zeros(len(P1) * C, len(P2) * C)
    for h in range(0, H, step):
        J1 = _gradients(P1, G1[:, :, :, h : h + step], outputs_first)
        J2 = J1 if symmetric else _gradients(P2, G2[:, :, :, h : h + step], outputs_first)
        if outputs_first:
            add_products(k, J1, J2, None, symmetric)
        elif k.ndim == 2:
            add_products(k, J1.flatten(1)[None], J2.flatten(1)[None], None, symmetric)
        else:
            _add_sample_products(K, J1.flatten(0, 1), J2.flatten(0, 1), symmetric)
    if K is not k:
        if symmetric:
            _mirror_shares(K)
        k += K.view(len(P1), C, len(P2), C).permute(1, 0, 3, 2)


def _gradients(P: Tensor, G: Tensor, outputs_first: bool) -> Tensor:
    """dW of the h units in G (n, q, C, h, S): (C, n, q h I), or else (n, C, q h I)."""
    n, q, C, h, _ = G.shape
    J = (G.flatten(2, 3) @ P).view(n, q, C, h, -1).transpose(1, 2)
    return J.transpose(0, 1).reshape(C, n, -1) if outputs_first else J.reshape(n, C, -1)


def _row_shares(n: int, symmetric: bool) -> list[slice]:
    """Rows of a product; if symmetric, the columns before a share's first row are left out."""
    return tiles(n, -(-n // SHARES) if symmetric else n)


def _add_sample_products(K: Tensor, J1: Tensor, J2: Tensor, symmetric: bool) -> None:
    """K (n1 C, n2 C) += J1 J2^T for J (n C, p), added within the product; if symmetric, only from the diagonal on."""
    for r in _row_shares(len(K), symmetric):
        start = r.start if symmetric else 0
        add_product(K[r, start:], J1[r], J2[start:])


def _mirror_shares(K: Tensor) -> None:
    """Fill what symmetric products left out of K."""
    for r in _row_shares(len(K), True):
        K[r.stop :, r] = K[r, r.stop :].T


def chunks_flops(shape: Geometry, problem: Problem) -> float:
    """The operations of "chunks": the gradients of both sides, then their product."""
    q, S, I, H = shape
    n1, n2 = problem.n1, problem.n2
    return 2.0 * q * H * I * ((n1 + n2) * problem.C * S + n1 * n2 * problem.pairs)


def chunks_numel(shape: Geometry, problem: Problem) -> int:
    """The scalars that the contraction needs beside k and the factors."""
    q, _, I, H = shape
    n1, n2, C = problem.n1, problem.n2, problem.C
    unit = C * max(n1, n2) * q * I
    return 3 * min(max(CHUNK, unit), unit * H) + block_numel(n1, n2, C, problem.flat)

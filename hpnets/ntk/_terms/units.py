r"""If a layer's unit h reaches the read-out's input h alone, its share of K is a sum over the units.

K[o, x, p, x'] += w[x, x'] sum_h R[o, h] R[p, h] <E[h, x], E[h, x']>. The inner products of the E are formed once for
all outputs, layers that share w lie side by side in E, and for each (x, x') the share is symmetric in the outputs.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from hpnets.linalg import tiles
from hpnets.ntk._terms.base import BLOCK

# This many scalars of inner products, over all units, are formed at a time: as many as stay in cache.
PRODUCTS = 2**20
# At least so many rows are transposed at a time: a cache line has room for 16 numbers in float32.
LINE = 16


def add_unit_products(
    k: Tensor, left: Tensor, right: Tensor, R: Tensor, weight: Tensor | None, symmetric: bool
) -> None:
    """Add this share to k (C, n1, C, n2); left (H, n1, L) and right (H, n2, L) are E, R (C, H), weight w (n1, n2).

    If `symmetric`, left is right and only the blocks k[o, :, p] with p >= o are made right.
    """
    for outputs in output_groups(len(R)):
        _add_group(k, left, right, R, outputs, weight, symmetric)


def _add_group(
    k: Tensor, left: Tensor, right: Tensor, R: Tensor, outputs: range, weight: Tensor | None, symmetric: bool
) -> None:
    """Add the share of some outputs o; it is freed on return, so that two groups' shares are never alive at once."""
    C = len(R)
    pairs = torch.cat([R[o] * R[o:] for o in outputs])
    share = pair_kernels(left, right, pairs, weight, symmetric)
    for o, part in zip(outputs, share.split([C - o for o in outputs]), strict=True):
        k[o, :, o:] += part.transpose(0, 1)
        if not symmetric:
            k[o + 1 :, :, o] += part[1:]


def output_groups(C: int) -> Iterator[range]:
    """Groups of consecutive outputs o whose pairs (o, p), p >= o, number at most BLOCK, or are those of one o."""
    o = 0
    while o < C:
        stop, pairs = o + 1, C - o
        while stop < C and pairs + C - stop <= BLOCK:
            stop, pairs = stop + 1, pairs + C - stop
        yield range(o, stop)
        o = stop


def pair_kernels(left: Tensor, right: Tensor, pairs: Tensor, weight: Tensor | None, symmetric: bool) -> Tensor:
    """w[x, x'] sum_h pairs[q, h] <left[h, x], right[h, x']>, shape (Q, n1, n2)."""
    (H, n1, L), n2, Q = left.shape, right.shape[1], len(pairs)
    kernels = left.new_empty(Q, n1, n2)
    step = rows_at_once(Q, H, n1, n2, L)
    # All blocks use the same buffers: fresh memory would cost a page fault every 4 KiB.
    inner, summed = (left.new_empty(numel) for numel in buffer_numels(Q, H, step, n2, L))
    compute = scaled_pairs if L == 1 else inner_products
    for strip in tiles(n1, -(-LINE // step) * step):
        columns = slice(strip.start if symmetric else 0, n2)
        for start in range(strip.start, strip.stop, step):
            rows = slice(start, min(start + step, strip.stop))
            K = compute(left[:, rows], right[:, columns], pairs, inner, summed)
            if weight is None:
                kernels[:, rows, columns] = K
            else:
                torch.mul(K, weight[rows, columns], out=kernels[:, rows, columns])
        if symmetric:
            kernels[:, strip.stop :, strip] = kernels[:, strip, strip.stop :].transpose(1, 2)
    return kernels


def inner_products(left: Tensor, right: Tensor, pairs: Tensor, inner: Tensor, summed: Tensor) -> Tensor:
    """(Q, b, n): the products <left[h, x], right[h, x']> for all h, then their sums over h weighted by `pairs`."""
    (H, b, _), n, Q = left.shape, right.shape[1], len(pairs)
    E = torch.bmm(left, right.transpose(1, 2), out=inner[: H * b * n].view(H, b, n))
    T = unit_shares(Q, H) if left.is_cpu else 1
    if T == 1:
        return torch.mm(pairs, E.flatten(1), out=summed[: Q * b * n].view(Q, b * n)).view(Q, b, n)
    weights, out = pairs.view(Q, T, H // T).transpose(0, 1), summed[: T * Q * b * n].view(T, Q, b * n)
    first, *others = torch.bmm(weights, E.view(T, H // T, b * n), out=out).view(T, Q, b, n)
    for share in others:
        first += share
    return first


def scaled_pairs(left: Tensor, right: Tensor, pairs: Tensor, inner: Tensor, summed: Tensor) -> Tensor:
    """(Q, b, n) for L = 1: (pairs[q, h] left[h, x]) right[h, x'], summed over h by one product with more rows."""
    (H, b, _), n, Q = left.shape, right.shape[1], len(pairs)
    scaled = torch.mul(pairs, left.transpose(0, 1).transpose(1, 2), out=inner[: b * Q * H].view(b, Q, H))
    product = torch.mm(scaled.flatten(0, 1), right[:, :, 0], out=summed[: b * Q * n].view(b * Q, n))
    return product.view(b, Q, n).transpose(0, 1)


def unit_shares(Q: int, H: int) -> int:
    """The shares of the units of which each thread sums one, so that it finds the products it has made in its cache.

    The threads of one product would each take the columns of all units, most of which lie in another core's cache. With
    more threads than the units suffice for, the shares' sums would be as large as the products.
    """
    T = torch.get_num_threads()
    return T if H % T == 0 and 2 * T * Q <= H else 1


def rows_at_once(Q: int, H: int, n1: int, n2: int, L: int) -> int:
    """The samples of a block of rows, so many that `inner` stays in cache."""
    return min(n1, max(1, PRODUCTS // (4 * Q * H if L == 1 else H * n2)))


def buffer_numels(Q: int, H: int, step: int, n2: int, L: int) -> tuple[int, int]:
    """The scalars of `inner` and of `summed`."""
    shares = 1 if L == 1 else unit_shares(Q, H)
    return step * H * (Q if L == 1 else n2), shares * Q * step * n2


def units_numel(H: int, n1: int, n2: int, L: int, C: int) -> int:
    """The scalars that `add_unit_products` needs beside k and its arguments."""
    Q = max(C, min(BLOCK, C * (C + 1) // 2))
    return Q * (H + n1 * n2) + sum(buffer_numels(Q, H, rows_at_once(Q, H, n1, n2, L), n2, L))

"""The proof of a contraction: a row of the kernel, or an entry, against gradients by the factors, which are proven."""

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._terms.base import State, Term, dot

# Relative to norms of gradients this may differ: both sides are made of the same factors, and only sums are rounded. A
# random number misses a fault as often as this is less than the fault.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@dataclass(frozen=True)
class Row:
    """What is known of the row of a random sample a in the kernel of the factors `states`.

    u: random cotangents, (C n,) for all samples, outputs first, and (C,) for a. b: another sample. uu: (C, 2, C, 2),
    the products of their cotangents, in the order of the samples. product: <J_a^T u_a, J^T u>. norm: |J^T u|.
    """

    states: list[State]
    a: int
    b: int
    u: Tensor
    u_a: Tensor
    uu: Tensor
    product: float
    norm: float

    def is_wrong(self, k: Tensor) -> bool:
        """Whether u_a^T K u over the row is not <J_a^T u_a, J^T u>, or K of a and b not that of b and a.

        k (C, n, C, n) is the symmetric kernel of the samples.
        """
        found = float((k[:, self.a].flatten(1) @ self.u) @ self.u_a)
        two = slice(min(self.a, self.b), max(self.a, self.b) + 1, abs(self.a - self.b))
        (aa, ab), (ba, bb) = (k[:, two, :, two] * self.uu).sum((0, 2)).tolist()
        tolerance = TOLERANCE[k.dtype]
        skewed = abs(ab - ba) > tolerance * max(aa * bb, 0.0) ** 0.5
        first = aa if self.a < self.b else bb
        # Rounding is relative to |J_a^T u_a| |J^T u|.
        return skewed or abs(found - self.product) > tolerance * max(first, 0.0) ** 0.5 * self.norm


def made_row(states: list[State], u: Tensor, a: int, products: list[Tensor], norm: float) -> Row:
    """The row of a sample a for u (n, C), n > 1, from `Term.row` of each term, and the norm of J^T u."""
    n = len(u)
    b = (a + 1 + random.randrange(n - 1)) % n
    w = u[min(a, b) :: abs(a - b)][:2].T
    product = float(torch.stack(products).sum()) if products else 0.0
    return Row(states, a, b, u.T.flatten(), u[a], w[:, :, None, None] * w, product, norm)


def is_wrong_entry(
    terms: tuple[Term, ...], selection: OutputSelection, left: list[State], right: list[State], entries: list[Tensor]
) -> bool:
    """Whether K of two samples a and b is not <J_a, J_b>, whose factors alone are `left` and `right`.

    entries: the kernel's values for (a, b), each K (C, C) with rows for a, or () for a trace. u^T K w is compared with
    <J_a^T u, J_b^T w> by the factors, for random u and w. For a trace K is contracted anew and looked at so, and its
    trace compared.
    """
    C, like = selection.columns, selection.cotangents
    tolerance = TOLERANCE[like.dtype]
    u, w = torch.randn(2, 1, C, dtype=like.dtype, device=like.device)
    product, size = _pulled_product(terms, left, right, u, w)
    blocks = [entry for entry in entries if entry.ndim] or [_block(terms, selection, left, right)]
    wrong = any(abs(float(u[0] @ K @ w[0]) - product) > tolerance * size for K in blocks)
    for trace in (entry for entry in entries if not entry.ndim):
        (K,) = blocks
        wrong = wrong or abs(float(K.trace() - trace)) > tolerance * max(size, float(K.norm()))
    return wrong


def _block(terms: tuple[Term, ...], selection: OutputSelection, left: list[State], right: list[State]) -> Tensor:
    """K (C, C) of two samples, from the factors of each alone."""
    C = selection.columns
    block = selection.cotangents.new_zeros(C, 1, C, 1)
    for term, l, r in zip(terms, left, right, strict=True):
        term.contract(block, l, r, False)
    return block[:, 0, :, 0]


def _pulled_product(
    terms: tuple[Term, ...], left: list[State], right: list[State], u: Tensor, w: Tensor
) -> tuple[float, float]:
    """<J_a^T u, J_b^T w> by the factors, over all parameters that have a term, and the product of their norms."""
    parts = [torch.zeros_like(u[0, :1]).expand(3)]
    for term, l, r in zip(terms, left, right, strict=True):
        g, h = (_joined(term.pull(*of), u) for of in ((l, u), (r, w)))
        parts.append(torch.stack([dot(g, h), g.norm(), h.norm()]))
    products, left_norms, right_norms = torch.stack(parts, 1).tolist()
    return sum(products), math.hypot(*left_norms) * math.hypot(*right_norms)


def _joined(gradients: dict[str, Tensor], like: Tensor) -> Tensor:
    """The gradients end to end; a single one is not copied."""
    parts = [*gradients.values()]
    return parts[0] if len(parts) == 1 else torch.cat([like.new_zeros(0), *parts])

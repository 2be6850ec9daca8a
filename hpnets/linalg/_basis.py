"""The basis of a block Lanczos iteration: orthonormal vectors Q, their products K Q, and T = Q^T K Q."""

import torch
from torch import Tensor

from hpnets.linalg._norms import norms
from hpnets.linalg._tiles import tiles

# What needs both Q and K Q is computed over so many rows at a time, so that it takes no more memory than they do.
TILE = 8192


class Basis:
    """At most `size` columns Q (rows, m) in float64, K Q in the dtype of the products, and T (m, m) in float64.

    products: how many columns were multiplied by K.
    """

    def __init__(self, rows: int, size: int, device: torch.device, generator: torch.Generator) -> None:
        self.rows, self.size, self.generator = rows, size, generator
        self.columns = self.products = 0
        # Columns are rows of these, so that a new one is written in place and no basis is copied.
        self._q = torch.empty(size, rows, dtype=torch.float64, device=device)
        self._kq = self._q[:0]
        self.t = self._q.new_empty(0, 0)

    @property
    def q(self) -> Tensor:
        """Q (rows, m)."""
        return self._q[: self.columns].T

    def extend(self, block: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
        """Take a block (rows, b) and K times it; give the next Krylov block W, and R (w, b), the block's share in it.

        K block = Q h + W R: h is the border of T, and R tells how far K leads out of Q.
        """
        if not len(self._kq):
            self._kq = torch.empty(self._q.shape, dtype=products.dtype, device=products.device)
        old, self.columns = self.columns, self.columns + block.shape[1]
        self.products += block.shape[1]
        self._q[old : self.columns], self._kq[old : self.columns] = block.T, products.T
        following, h, r = self.orthonormal(products.double())
        corner = (h[old:] + h[old:].T) / 2
        self.t = torch.cat([torch.cat([self.t, h[:old]], 1), torch.cat([h[:old].T, corner], 1)])
        return following, r

    def cut(self, s: Tensor) -> None:
        """Take Q s for Q, s (m, kept) with orthonormal columns."""
        kept = s.shape[1]
        self.t = s.new_zeros(kept, kept)
        for rows in tiles(self.rows, TILE):
            q, kq = (s.T @ known[: self.columns, rows].double() for known in (self._q, self._kq))
            self._q[:kept, rows], self._kq[:kept, rows] = q, kq
            self.t += q @ kq.T
        self.columns = kept

    def residuals(self, s: Tensor, values: Tensor) -> Tensor:
        """|K v - l v| (k,) of v = Q s, s (m, k), and l (k,), from the products themselves."""
        parts = []
        for rows in tiles(self.rows, TILE):
            q, kq = (s.T @ known[: self.columns, rows].double() for known in (self._q, self._kq))
            parts.append(norms((kq - values[:, None] * q).T))
        return norms(torch.stack(parts))

    def random(self, block: int) -> Tensor:
        """A random orthonormal block (rows, b), orthogonal to Q, drawn on the CPU so that devices and ranks agree."""
        return self.orthonormal(self._draw(block))[0]

    def orthonormal(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Orthonormal columns W that span the part of V orthogonal to Q, and h, R with V = Q h + W R.

        A column without such a part is drawn at random. If less than all columns fit beside Q, the last ones have no W.
        """
        q, size, width = self.q, norms(v), min(v.shape[1], self.rows - self.columns)
        v = v / size.clamp_min(torch.finfo(v.dtype).tiny)
        h = q.T @ v
        if not width:
            return v[:, :0], h * size, v.new_zeros(0, v.shape[1])
        # Two passes are enough (Kahan and Parlett): the second removes what rounding leaves in the first.
        v = v[:, :width].addmm_(q, h[:, :width], alpha=-1)
        w, r = torch.linalg.qr(v.addmm_(q, q.T @ v, alpha=-1))
        # A unit column of which less than this is left is rounding, whose direction means nothing.
        lost = r.diagonal().abs() < 1e-10
        if lost.any():
            w[:, lost] = self._draw(int(lost.sum()))
            w = self.orthonormal(w)[0]
        elif width > 1:  # columns that were nearly parallel show in W what the passes left
            w = w.addmm_(q, q.T @ w, alpha=-1)
        return w, h * size, r * size[:width]

    def _draw(self, block: int) -> Tensor:
        return torch.randn(self.rows, block, dtype=torch.float64, generator=self.generator).to(self._q.device)

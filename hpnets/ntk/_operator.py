"""The kernel as a symmetric linear operator that is never stored: K V = J (J^T V), a jvp after a vjp."""

from collections.abc import Hashable
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.linalg import tiles
from hpnets.ntk._budget import numel, parse_bytes, rows_that_fit
from hpnets.ntk._checks import check_eval_mode, check_inputs, check_output, check_types
from hpnets.ntk._output_selection import Outputs, select_outputs
from hpnets.ntk._planning import parameters_of, plain_tensor
from hpnets.ntk._products import Products, proven_products
from hpnets.ntk._remembered import settings_of
from hpnets.ntk._ring import together
from hpnets.ntk._state import undisturbed
from hpnets.ntk._survey import saved_scalars
from hpnets.ntk._tiling import chunks, in_company
from hpnets.ntk._wrappers import eager

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

# On a CPU, tiles above some 64 MiB run at half the speed or less: large temporaries are paged in anew each time.
CPU_TILE = 2**25


class NTKOperator:
    r"""K = J J^T (rows, rows) of `ntk(net, x, outputs=outputs)` by products alone: O(P) memory, not O(rows^2).

    rows is N C for C outputs (C = O for "full"; row i C + c is output c of sample i), and N for "sum", for one logit
    and for "trace", which costs O times as much: K v = sum_o J_o J_o^T v. A product makes one vjp and one jvp over the
    samples, in tiles.

    Args:
        net, x, outputs, params, memory: as for `ntk`; x is (N, *shape). Parameter values are read at each product, so
            a training step between two products changes K; where it changes a module's settings too, as `verify` of
            `ntk` says, the products are proven again.
        group: a torch.distributed group (`dist.group.WORLD` for all): rank r works on x[r::world] alone, J^T v is
            summed over the ranks, and every rank returns the whole product, in the order of x. All ranks hold the same
            net, x and v, and call together.

    Raises ValueError as `ntk` does, and if a rank would have no row.

    Source: Novak et al. 2022 (arXiv 2206.08720), section 3.3 (NTK-vector products).
    """

    def __init__(
        self,
        net: nn.Module,
        x: Tensor,
        *,
        outputs: Outputs,
        params: dict[str, Tensor] | None = None,
        memory: str | float = "1GiB",
        group: "dist.ProcessGroup | None" = None,
    ) -> None:
        check_types(params, x)
        self._budget = parse_bytes(memory)
        self._net = net = eager(net)
        self._group = group
        with undisturbed(net, x.device):
            self._theta, x = parameters_of(net, params), plain_tensor(x)
            check_inputs(net, self._theta, x, None)
            check_eval_mode(net)
            selection = select_outputs(outputs, check_output(net, self._theta, x), x)
            self._activations = saved_scalars(net, self._theta, x)
        self._trace, self._width, self._samples = selection.trace, selection.columns, len(x)
        rows = len(x) * (1 if selection.trace else selection.columns)
        self.shape, self.dtype, self.device = (rows, rows), x.dtype, x.device
        rank, world = (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))
        if len(x) < world:
            raise ValueError(f"x has {len(x)} rows; allowed: at least one for each of the {world} ranks")
        self._own = slice(rank, None, world)
        # A rank's lone sample runs beside another, whose cotangents are 0: torch and networks may fail at batch 1.
        self._held, self._x = len(x[self._own]), in_company(x[self._own], (x,))
        self._selection = selection
        self._settings: Hashable = None
        with undisturbed(net, x.device):
            self._prove()

    def matvec(self, v: Tensor) -> Tensor:
        """K v (rows,) for v (rows,), in the operator's dtype."""
        if v.shape != self.shape[:1]:
            raise ValueError(f"v has shape {tuple(v.shape)}; allowed: ({self.shape[0]},)")
        return self.matmat(v[:, None])[:, 0]

    def matmat(self, v: Tensor) -> Tensor:
        """K V (rows, k) for V (rows, k), in the operator's dtype; several vectors share each pass over the samples."""
        if v.ndim != 2 or v.shape[0] != self.shape[0]:
            raise ValueError(f"V has shape {tuple(v.shape)}; allowed: ({self.shape[0]}, k)")
        vectors = v.to(self.device, self.dtype).T
        # u is (k, N, C), and (k O, N, O) for "trace": one vector becomes O cotangents, the o-th of output o alone.
        if self._trace:
            eye = torch.eye(self._width, dtype=self.dtype, device=self.device)
            u = (vectors[:, None, :, None] * eye[:, None, :]).flatten(0, 1)
        else:
            u = vectors.reshape(len(vectors), self._samples, self._width)
        chunk, tile = self._sizes(len(u))
        with undisturbed(self._net, self.device):
            self._prove()
            ku = torch.cat([self._product(u[part], tile) for part in tiles(len(u), chunk)])
        if self._trace:
            ku = ku.unflatten(0, (-1, self._width)).diagonal(dim1=1, dim2=3).sum(-1)
        return ku.reshape(v.shape[1], -1).T

    def diagonal(self) -> Tensor:
        """diag K (rows,): |df_o(x_i)/dtheta|^2, summed over o for "trace", by one gradient a sample and output."""
        own = self._x.new_empty(self._held, self._width)
        rows_that_fit(2 * own.element_size() * numel(self._theta), self._budget, 1)
        with undisturbed(self._net, self.device):
            self._prove()
            for rows in chunks(len(self._x), 2):
                for i in range(rows.start, min(rows.stop, self._held)):
                    own[i] = self._squares(self._x[rows], i - rows.start)
            d = self._gather(own)
        return d.sum(1) if self._trace else d.flatten()

    def _prove(self) -> None:
        """Prove the products of the network, unless they were while it had the settings that it has now."""
        settings, group = settings_of(self._net), self._group
        changed = torch.tensor(float(settings != self._settings), device=self.device)
        if group is not None:  # a hook of one rank alone, say
            dist.all_reduce(changed, dist.ReduceOp.MAX, group)
        if not changed:
            return
        tile = self._sizes(1)[1]

        def proven() -> Products:
            check_eval_mode(self._net)
            return proven_products(self._net, self._theta, self._x, self._selection, tile)

        self._products = proven() if group is None else together(group, tuple(self._theta), self.device, proven)
        self._settings = settings

    def _squares(self, pair: Tensor, i: int) -> Tensor:
        """|J_ic|^2 (C,) of sample i of a pair, output by output."""
        squares = pair.new_empty(self._width)
        for o in range(self._width):
            w = pair.new_zeros(1, len(pair), self._width)
            w[0, i, o] = 1
            gradients = self._products.pull(self._theta, pair, w).values()
            squares[o] = torch.stack([g.square().sum() for g in gradients]).sum()
        return squares

    def to_scipy(self) -> "LinearOperator":
        """The same operator for scipy.sparse.linalg, on numpy arrays of the operator's dtype; needs scipy."""
        from scipy.sparse.linalg import LinearOperator

        def multiply(v):  # type: ignore[no-untyped-def]  # numpy is no dependency of hpnets.ntk
            return self.matmat(torch.as_tensor(v.reshape(self.shape[0], -1))).cpu().numpy().reshape(v.shape)

        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        return LinearOperator(self.shape, matvec=multiply, rmatvec=multiply, matmat=multiply, dtype=dtype)

    def _product(self, u: Tensor, tile: int) -> Tensor:
        """J (J^T u) (k, N, C) for u (k, N, C): J^T u is summed over tiles and ranks, then J is applied by tile."""
        own, parts = u.new_zeros(len(u), len(self._x), self._width), list(chunks(len(self._x), tile))
        own[:, : self._held] = u[:, self._own]
        tangent = {name: p.new_zeros(len(u), *p.shape) for name, p in self._theta.items()}
        for rows, start in zip(parts, _starts(parts), strict=True):
            w = own[:, rows].clone()
            w[:, : start - rows.start] = 0  # the tile before has these rows already
            for name, g in self._products.pull(self._theta, self._x[rows], w).items():
                tangent[name] += g
        if self._group is not None:
            for t in tangent.values():
                dist.all_reduce(t, group=self._group)
        outputs = torch.empty_like(own)
        for rows in parts:
            outputs[:, rows] = self._products.push(self._theta, self._x[rows], tangent)
        return self._gather(outputs[:, : self._held].transpose(0, 1)).transpose(0, 1)

    def _gather(self, own: Tensor) -> Tensor:
        """All ranks' rows (N, ...) in the order of x from this rank's (n, ...): a sum with zeros elsewhere gathers."""
        if self._group is None:
            return own
        full = own.new_zeros(self._samples, *own.shape[1:])
        full[self._own] = own
        dist.all_reduce(full, group=self._group)
        return full

    def _sizes(self, vectors: int) -> tuple[int, int]:
        """(vectors of a chunk, samples of a tile): half of the budget bounds the chunk, what is left the tile."""
        # A chunk's tangents are alive three times (the sum, the tile's share of it, and what makes that share); a
        # sample's activations are alive once, and each vector's own (its cotangents, later its tangents) beside them.
        size = self._x.element_size()
        tangents = 3 * size * numel(self._theta)
        rows_that_fit(tangents + 2 * size * self._activations, self._budget, 1)  # refuses less than one vector's
        chunk = max(1, min(vectors, self._budget // (2 * (tangents + size * self._activations))))
        left = self._budget - chunk * tangents
        row = size * self._activations * (1 + chunk)
        tile = rows_that_fit(row, left, len(self._x))
        return chunk, min(tile, max(1, CPU_TILE // row)) if self.device.type == "cpu" else tile


def _starts(parts: list[slice]) -> list[int]:
    """For each of the slices, which may overlap, its first row that the slice before does not have."""
    return [0, *(part.stop for part in parts[:-1])]

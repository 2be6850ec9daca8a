"""The term of parameters without a rule: J itself, (C, n, P), by vmap(jacrev) or by a loop of plain autograd."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from hpnets.ntk._failures import CrashError
from hpnets.ntk._functional import Params
from hpnets.ntk._jacobian import looped_jacobian, vmapped_jacobian
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._problem import Problem
from hpnets.ntk._terms.base import State, Term, add_products, sum_of_rows


@dataclass(frozen=True)
class Functional(Term):
    """J of the parameters `members`, whose sizes are `numels`.

    contraction: "jacobian" is vmap(jacrev), which needs torch's batching rules; "loop" is one plain backward pass for
    each sample and output, which needs nothing. saved, widest: as in the survey.
    """

    members: tuple[str, ...]
    numels: tuple[int, ...]
    contraction: str
    saved: int
    widest: int
    layers = ()
    axes: ClassVar[dict[str, int | None]] = {"J": 1}

    @property
    def names(self) -> tuple[str, ...]:
        return self.members

    def shapes(self, n: int, C: int) -> dict[str, tuple[int, ...]]:
        return {"J": (C, n, sum(self.numels))}

    def fill(
        self, net: nn.Module, params: Params, x: Tensor, selection: OutputSelection, state: State, rows: slice
    ) -> None:
        """Write J of the samples x into the rows of `state`; raises CrashError if vmap(jacrev) raises."""
        J = state["J"][:, rows]
        if self.contraction == "loop":
            looped_jacobian(net, params, self.members, x, selection, J)
            return
        try:
            vmapped_jacobian(net, params, self.members, x, selection, J)
        except Exception as error:  # a missing batching rule, control flow on values, or anything a foreign net does
            raise CrashError("jacobian", error) from error

    def summed(self, state: State, u: Tensor) -> Tensor:
        return sum_of_rows(state["J"], u)

    def pulled(self, state: State, Gu: Tensor, mixes: Params) -> dict[str, Tensor]:
        return dict(zip(self.names, Gu.split(list(self.numels)), strict=True))

    def contract(self, k: Tensor, left: State, right: State, symmetric: bool) -> None:
        add_products(k, left["J"], right["J"], None, symmetric)

    def fill_numel(self, C: int) -> int:
        """The scalars per sample that `fill` needs for a moment: saved tensors, gradients on their way, parts of J."""
        if self.contraction == "loop":
            return self.saved + 2 * self.widest + sum(self.numels)
        return 2 * self.saved + 2 * C * self.widest + C * sum(self.numels)

    def flops(self, problem: Problem) -> float:
        return 2.0 * problem.n1 * problem.n2 * sum(self.numels) * problem.pairs

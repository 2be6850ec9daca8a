"""The kernels of blocks of parameters beside the whole one, from the same passes."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from hpnets.ntk._checks import check_finite
from hpnets.ntk._kernel import check_plan, run_given
from hpnets.ntk._plan import Plan
from hpnets.ntk._planning import Request, parameters_of, plain_tensor
from hpnets.ntk._problem import Problem
from hpnets.ntk._state import undisturbed
from hpnets.ntk._structured import TermWork, contract
from hpnets.ntk._terms import Term
from hpnets.ntk._wrappers import eager


def split_kernel(
    net: nn.Module,
    x: Tensor,
    plan: Plan,
    blocks: Mapping[str, Iterable[str]],
    *,
    params: dict[str, Tensor] | None = None,
    verify: str = "first",
) -> tuple[Tensor, dict[str, Tensor]] | None:
    r"""The kernel of x by a plan, and K_b of each block b of parameters, from one forward and backward pass.

    plan: made with these `blocks`: names of parameters by the name of the block, which may overlap. None if it cannot
    be split, since the factors of all samples do not fit its memory at once, since it keeps none, or since the proof
    finds a block's gradients right beside all, but not alone: they may be rounding. Then `ntk` with `params` gives K_b,
    or says why it has none. The other arguments, and what is raised, are those of `ntk` with a plan.
    """
    members = {block: frozenset(names) for block, names in blocks.items()}
    for names, term in itertools.product(members.values(), plan.terms):
        if not names.isdisjoint(term.names) and not names.issuperset(term.names):
            raise ValueError(f"plan joins {', '.join(term.names)}; allowed: a plan made with these blocks")
    if plan.algorithm == "ntkvp" or plan.tile < len(x):
        return None
    net = eager(net)
    with undisturbed(net, x.device):
        theta, x = parameters_of(net, params), plain_tensor(x)
        check_plan(plan, net, theta, x, None)
        driver = _Driver(members)
        kernel = run_given(plan, Request(net, theta, x, None, "full", plan.algorithm, 0, verify), driver)
    if not driver.proven:
        return None
    selection = plan.problem.selection
    return check_finite(kernel), {b: check_finite(selection.shaped(k)) for b, k in driver.kernels.items()}


@dataclass
class _Driver:
    """Makes the factors of all samples once, and contracts them for the whole kernel and again for each block.

    proven: whether each block's gradients hold alone.
    """

    blocks: Mapping[str, frozenset[str]]
    kernels: dict[str, Tensor] = field(default_factory=dict)
    proven: bool = True

    def __call__(self, x1: Tensor, x2: Tensor | None, problem: Problem, work: Any) -> Tensor:
        assert isinstance(work, TermWork)
        factors = work.factors(x1, None, True, ())
        whole = _empty(x1, problem)
        work.contract(whole, factors, factors, True)
        self.proven = work.prover is None or all(map(work.prover.holds_alone, self.blocks.values()))
        for block, names in self.blocks.items():
            kept = [i for i, term in enumerate(work.terms) if _inside(term, names)]
            states = [factors.states[i] for i in kept]
            self.kernels[block] = _empty(x1, problem)
            contract(self.kernels[block], tuple(work.terms[i] for i in kept), states, states, True)
        return whole


def _inside(term: Term, names: frozenset[str]) -> bool:
    return names.issuperset(term.names)


def _empty(x: Tensor, problem: Problem) -> Tensor:
    n, C = len(x), problem.C
    return x.new_empty((n, n) if problem.flat else (C, n, C, n))

"""Making a plan: which contraction each parameter takes, in which tiles, and which algorithm is the quickest."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from hpnets.ntk._budget import numel, parse_bytes
from hpnets.ntk._checks import check_eval_mode, check_inputs, check_output, check_types
from hpnets.ntk._cost_model import Distrust, choose_terms, predict_seconds, rest_term
from hpnets.ntk._functional import Params, trainable_parameters
from hpnets.ntk._ntkvp import ntkvp_tile
from hpnets.ntk._output_selection import Outputs, select_outputs
from hpnets.ntk._parts import COUNTS, HOLES, split_terms
from hpnets.ntk._plan import ParameterPlan, Plan
from hpnets.ntk._problem import Problem
from hpnets.ntk._schedule import choose_schedule
from hpnets.ntk._state import undisturbed
from hpnets.ntk._structured import Schedule
from hpnets.ntk._survey import Survey, saved_scalars, survey
from hpnets.ntk._terms import Functional, Term
from hpnets.ntk._wrappers import eager, plain_name

ALGORITHMS = ("auto", "structured", "jacobian", "loop", "ntkvp")


@dataclass(frozen=True)
class Request:
    """A request for a kernel of an eager net; it is served within `undisturbed`. budget: bytes.

    apart: groups of names; no term may hold parameters of two of them. () is one group of all. recalled: whether the
    plan is that of an earlier call, which proved it.
    """

    net: nn.Module
    theta: Params
    x1: Tensor
    x2: Tensor | None
    outputs: Outputs
    algorithm: str
    budget: int
    verify: str = "always"
    apart: tuple[frozenset[str], ...] = ()
    recalled: bool = False


def plan(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs,
    algorithm: str = "auto",
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
    blocks: Mapping[str, Iterable[str]] | None = None,
) -> Plan:
    """The plan that `ntk` would follow for the same arguments; two samples are run to make it.

    The plan is a guess from these two samples: `ntk` proves it on all samples, and rejects it where it does not hold.
    blocks: names of parameters by block; the plan keeps their shares apart, so that `split_kernel` gives each.
    Raises ValueError as `ntk` does for its arguments.
    """
    check_types(params, x1, x2)
    net = eager(net)
    with undisturbed(net, x1.device):
        x1, x2 = plain_tensor(x1), None if x2 is None else plain_tensor(x2)
        theta = parameters_of(net, params)
        apart = _apart(theta, blocks or {})
        return make_plan(Request(net, theta, x1, x2, outputs, algorithm, parse_bytes(memory), apart=apart))


def _apart(theta: Params, blocks: Mapping[str, Iterable[str]]) -> tuple[frozenset[str], ...]:
    """The parameters in groups that are in the same blocks each; () without blocks."""
    members, groups = {block: {*names} for block, names in blocks.items()}, defaultdict[frozenset[str], set[str]](set)
    for name in theta:
        groups[frozenset(block for block, names in members.items() if name in names)].add(name)
    return tuple(map(frozenset, groups.values())) if blocks else ()


def plain_tensor(x: Tensor) -> Tensor:
    """x without a graph; a tensor made in inference mode is copied, since autograd may not save it."""
    return x.clone() if x.is_inference() else x.detach()


def parameters_of(net: nn.Module, params: dict[str, Tensor] | None) -> Params:
    """The parameters to differentiate, detached, by their plain names; None means all with requires_grad."""
    if params is None:
        return trainable_parameters(net)
    return {plain_name(name): plain_tensor(p) for name, p in params.items()}


def make_plan(request: Request, distrust: Distrust | None = None, crashed: frozenset[str] = frozenset()) -> Plan:
    """The plan of a request; distrust: what proofs have ruled out; crashed: algorithms that raised on these samples."""
    if request.algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is {request.algorithm!r}; allowed: {', '.join(ALGORITHMS)}")
    net, theta, x1 = request.net, request.theta, request.x1
    check_inputs(net, theta, x1, request.x2)
    check_eval_mode(net)
    selection = select_outputs(request.outputs, check_output(net, theta, x1), x1)
    problem = Problem.of(x1, request.x2, selection)
    distrust = distrust or Distrust()
    maker = _Maker(request, problem, _surveyed(request, problem, distrust.quick), distrust, crashed)
    return maker.auto() if request.algorithm == "auto" else maker.by_name(request.algorithm)


def _surveyed(request: Request, problem: Problem, quick: bool) -> Survey:
    """The survey; if it fails, one without layers, so that only algorithms without rules remain."""
    x = request.x1
    try:
        return survey(request.net, request.theta, x, problem.selection, quick)
    except Exception:  # a foreign net may fail under hooks in any way; a fault of the net itself is raised again later
        saved = saved_scalars(request.net, request.theta, x)
        return Survey((), tuple(request.theta), None, (), saved, ())


@dataclass(frozen=True)
class _Maker:
    """Makes the plan of each algorithm from one survey."""

    request: Request
    problem: Problem
    survey: Survey
    distrust: Distrust
    crashed: frozenset[str]

    def auto(self) -> Plan:
        """The quickest of "structured", "jacobian" and "loop" that fits the budget, or "ntkvp", which needs the least.

        If none fits, the ValueError of the first is raised.
        """
        plans: list[Plan] = []
        refusals: list[ValueError] = []
        for name in ("structured", "jacobian", "loop"):
            if name in self.crashed or (name == "jacobian" and not self.distrust.vmap):
                continue
            try:
                plans.append(self.by_name(name, min((p.seconds for p in plans), default=math.inf)))
            except ValueError as error:
                refusals.append(error)
        if plans:
            return min(plans, key=lambda p: p.seconds)
        if "ntkvp" in self.crashed:
            raise refusals[0]
        try:
            return self.by_name("ntkvp")
        except ValueError:
            raise refusals[0] from None

    def by_name(self, algorithm: str, best: float = math.inf) -> Plan:
        """The plan of an algorithm; in parts only where these may take less than `best` seconds."""
        if algorithm == "ntkvp":
            return self._ntkvp()
        groups = self.request.apart or (frozenset(self.request.theta),)
        terms = tuple(term for names in groups for term in self._terms(algorithm, names))
        named = {name for term in terms for name in term.names}
        whole = self._of_terms(algorithm, terms, [name for name in self.request.theta if name not in named])
        if (
            self.request.apart
            or whole.tile >= self.problem.longest
            or self._seconds(terms, self.problem.longest) > best
        ):
            return whole
        return min([whole, *self._in_parts(whole)], key=lambda p: p.seconds)

    def _in_parts(self, whole: Plan) -> Iterator[Plan]:
        """Plans that compute the same in parts; their sum is beside each part's kernel."""
        unused = [entry.name for entry in whole.parameters if entry.contraction == "unused"]
        budget = int(self.request.budget / HOLES) - whole.kernel_bytes
        for count in COUNTS:
            groups = split_terms(whole.terms, count, self.problem.C)
            others = [unused, *[[]] * (len(groups) - 1)]
            try:
                plans = [self._of_terms(whole.algorithm, *g, budget) for g in zip(groups, others, strict=True)]
            except ValueError:  # a part does not fit
                continue
            entries = {entry.name: entry for p in plans for entry in p.parameters}
            yield replace(
                whole,
                parameters=tuple(entries[entry.name] for entry in whole.parameters),
                flops=sum(p.flops for p in plans),
                seconds=sum(p.seconds for p in plans),
                peak_bytes=int(HOLES * (max(p.peak_bytes for p in plans) + whole.kernel_bytes)),
                parts=tuple(plans),
            )

    def _terms(self, algorithm: str, names: frozenset[str]) -> tuple[Term, ...]:
        """The terms of the parameters `names`."""
        numels = {name: p.numel() for name, p in self.request.theta.items() if name in names}
        slow = "jacobian" if self.distrust.vmap and "jacobian" not in self.crashed else "loop"
        if algorithm != "structured":
            return rest_term(self.survey, numels, numels, "loop" if slow == "loop" else algorithm)
        others = self.request.theta.keys() - names
        terms = choose_terms(self.survey, self.problem, replace(self.distrust, rule=self.distrust.rule | others))
        named = {name for term in terms for name in term.names}
        unused = set(self.survey.unused) - self.distrust.rule
        return terms + rest_term(self.survey, numels, [n for n in numels if n not in named | unused], slow)

    def _of_terms(
        self, algorithm: str, terms: tuple[Term, ...], unused: Iterable[str], budget: int | None = None
    ) -> Plan:
        budget = self.request.budget if budget is None else budget
        schedule, needs = choose_schedule(terms, self.survey, self.problem, budget)
        samples = self._samples(schedule.tile)
        entries = [entry for term in terms for entry in self._entries(term, schedule, samples)]
        entries += [ParameterPlan(name, "unused", 0.0, 0) for name in unused]
        seconds = self._seconds(terms, schedule.tile)
        return self._plan(algorithm, entries, needs.peak, terms, schedule, seconds)

    def _seconds(self, terms: tuple[Term, ...], tile: int) -> float:
        return predict_seconds(terms, self.survey, self.problem, self._samples(tile), numel(self.request.theta))

    def _ntkvp(self) -> Plan:
        tile, needs = ntkvp_tile(self.request.theta, self.survey, self.problem, self.request.budget)
        size, n = numel(self.request.theta), self.problem
        flops = 4.0 * self._macs * n.n1 * n.n2 * n.C
        parts = {name: p.numel() / max(1, size) for name, p in self.request.theta.items()}
        entries = [ParameterPlan(name, "ntkvp", flops * part, int(part * needs)) for name, part in parts.items()]
        return self._plan("ntkvp", entries, needs, (), Schedule(tile, tile, True), flops / 1e10)

    @property
    def _macs(self) -> int:
        return sum(layer.macs for layer in self.survey.layers) + numel(self.request.theta)

    def _samples(self, tile: int) -> float:
        """How many samples the passes run over; those of the columns are run again for each tile of rows."""
        n = self.problem
        tiles = -(-n.n1 // tile)
        return n.n1 * (tiles + 1) / 2 if n.symmetric else float(n.n1 + tiles * n.n2)

    def _entries(self, term: Term, schedule: Schedule, samples: float) -> list[ParameterPlan]:
        """The entries of a term's parameters: they share its cost by size, and have the passes of their layers."""
        n = self.problem
        numels = {name: self.request.theta[name].numel() for name in term.names}
        total = max(1, sum(numels.values()))
        held = 2 if schedule.tile < n.n1 else 1
        state = sum(term.state_numels(schedule.tile, n.C)) * n.item * held
        if isinstance(term, Functional):
            macs = dict.fromkeys(numels, self._macs / max(1, numel(self.request.theta)))
            passes = 2.0 * samples * (1 + 2 * n.C)
        else:
            macs = {name: layer.macs / max(1, sum(layer.numels)) for layer in term.layers for name in layer.names}
            passes = 2.0 * samples * (1 + n.C)
        flops = n.half * term.flops(n) / total
        return [
            ParameterPlan(name, term.contraction, size * (flops + passes * macs[name]), int(state * size / total))
            for name, size in numels.items()
        ]

    def _plan(
        self,
        algorithm: str,
        entries: list[ParameterPlan],
        peak: int,
        terms: tuple[Term, ...],
        schedule: Schedule,
        seconds: float,
    ) -> Plan:
        order = {name: i for i, name in enumerate(self.request.theta)}
        return Plan(
            algorithm=algorithm,
            shape=self.problem.shape,
            parameters=tuple(sorted(entries, key=lambda e: order[e.name])),
            flops=sum(e.flops for e in entries),
            seconds=seconds,
            peak_bytes=peak,
            kernel_bytes=self.problem.kernel_bytes,
            schedule=schedule,
            sample_shape=tuple(self.request.x1.shape[1:]),
            dtype=str(self.request.x1.dtype),
            problem=self.problem,
            terms=terms,
        )

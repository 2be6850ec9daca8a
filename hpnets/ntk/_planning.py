"""The plan of a kernel: which rule each parameter takes, at what cost, in which tiles. `ntk` makes one and runs it."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from hpnets.ntk._budget import numel, parse_bytes
from hpnets.ntk._checks import check_eval_mode, check_inputs, check_output, check_types
from hpnets.ntk._cost_model import choose_schedule, choose_terms
from hpnets.ntk._functional import Params, eager, plain_name, trainable_parameters, undisturbed
from hpnets.ntk._jacobian import jacobian_tile
from hpnets.ntk._ntkvp import ntkvp_tile
from hpnets.ntk._output_selection import Outputs, OutputSelection, select_outputs
from hpnets.ntk._structured import Schedule
from hpnets.ntk._survey import Survey, survey
from hpnets.ntk._terms import Term

ALGORITHMS = ("auto", "structured", "jacobian", "ntkvp")


class StalePlanError(ValueError):
    """A plan that was made for other inputs, parameters or weights."""


@dataclass(frozen=True)
class ParameterPlan:
    """One parameter's way: its rule, its floating-point operations, and the bytes held for it at the peak."""

    name: str
    rule: str
    flops: float
    peak_bytes: int


@dataclass(frozen=True)
class Plan:
    """How a kernel will be computed; print it for the table.

    parameters: one entry each; a parameter that no call reaches has the rule "unused", one without a rule "jacobian".
    flops: contractions and passes. peak_bytes: predicted working memory. kernel_bytes: the result's, not in peak_bytes.
    idle: parameters whose gradient was zero, at closed gates say: make another plan once they move.
    """

    algorithm: str
    shape: tuple[int, ...]
    parameters: tuple[ParameterPlan, ...]
    flops: float
    peak_bytes: int
    kernel_bytes: int
    tile: int
    chunk: int
    symmetric: bool
    idle: tuple[str, ...] = field(repr=False)
    sample_shape: tuple[int, ...] = field(repr=False)
    dtype: str = field(repr=False)
    selection: OutputSelection = field(repr=False, compare=False)
    terms: tuple[Term, ...] = field(repr=False, compare=False)
    schedule: Schedule = field(repr=False)
    rest: tuple[str, ...] = field(repr=False)
    rest_tile: int = field(repr=False)

    def __str__(self) -> str:
        width = max([len(p.name) for p in self.parameters] + [9])
        lines = [f"{'parameter':<{width}}  {'rule':<10} {'GFLOP':>9} {'MiB':>9}"]
        for p in self.parameters:
            lines.append(f"{p.name:<{width}}  {p.rule:<10} {p.flops / 1e9:>9.3f} {p.peak_bytes / 2**20:>9.2f}")
        lines.append(
            f"{self.algorithm}: kernel {self.shape}, tiles of {self.tile}, chunks of {self.chunk}: "
            f"{self.flops / 1e9:.2f} GFLOP, peak {self.peak_bytes / 2**20:.1f} MiB "
            f"beside the kernel's {self.kernel_bytes / 2**20:.1f} MiB"
        )
        return "\n".join(lines)


def plan(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs,
    algorithm: str = "auto",
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
) -> Plan:
    """The plan that `ntk` would follow for these arguments, which are `ntk`'s; two samples are run to make it."""
    check_types(params, x1, x2)
    x1, x2 = x1.detach(), None if x2 is None else x2.detach()
    net = eager(net)
    wanted = Request(net, parameters_of(net, params), x1, x2, outputs, algorithm, parse_bytes(memory))
    with undisturbed(net, x1.device):
        return make_plan(wanted)


def parameters_of(net: nn.Module, params: dict[str, Tensor] | None) -> Params:
    """The parameters to differentiate, detached, by their plain names."""
    return trainable_parameters(net) if params is None else {plain_name(k): p.detach() for k, p in params.items()}


@dataclass(frozen=True)
class Request:
    """The kernel that is asked for, of an eager net; without `separable`, no layer is taken for a Hadamard chain's."""

    net: nn.Module
    theta: Params
    x1: Tensor
    x2: Tensor | None
    outputs: Outputs
    algorithm: str
    budget: int
    separable: bool = True


def make_plan(wanted: Request) -> Plan:
    """`plan` within `undisturbed`."""
    if wanted.algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is {wanted.algorithm!r}; allowed: {', '.join(ALGORITHMS)}")
    net, theta, x1 = wanted.net, wanted.theta, wanted.x1
    check_inputs(net, theta, x1, wanted.x2)
    check_eval_mode(net)
    selection = select_outputs(wanted.outputs, check_output(net, theta, x1), x1)
    maker = _Maker(theta, x1, wanted.x2, selection, survey(net, theta, x1, selection), wanted.budget, wanted.separable)
    if wanted.algorithm == "auto":
        return maker.auto()
    return maker.structured() if wanted.algorithm == "structured" else maker.functional(wanted.algorithm)


@dataclass(frozen=True)
class _Maker:
    """What the three ways of making a plan share."""

    theta: Params
    x1: Tensor
    x2: Tensor | None
    selection: OutputSelection
    found: Survey
    budget: int
    separable: bool

    @property
    def n(self) -> tuple[int, int]:
        return len(self.x1), len(self.x1 if self.x2 is None else self.x2)

    @property
    def half(self) -> float:
        """The share of a contraction that symmetry leaves."""
        return 1.0 if self.x2 is not None else 0.5

    def auto(self) -> Plan:
        """Of `structured` and `jacobian` the one of fewer operations that fits, or else `ntkvp`, which needs least.

        If none fits: the ValueError of `structured`.
        """
        plans, refused = [], []
        for make in (self.structured, lambda: self.functional("jacobian")):
            try:
                plans.append(make())
            except ValueError as error:
                refused.append(error)
        if plans:
            return min(plans, key=lambda p: p.flops)
        try:
            return self.functional("ntkvp")
        except ValueError:
            raise refused[0] from None

    def structured(self) -> Plan:
        n1, n2 = self.n
        item, selection = self.x1.element_size(), self.selection
        terms = choose_terms(self.found, selection, n1, n2, self.separable)
        rest = {name: self.theta[name] for name in self.found.rest}
        rest_tile, rest_bytes = 0, 0
        if rest:
            rest_tile, rest_bytes = jacobian_tile(
                rest, self.found, selection, n1, n2, item, self.budget, later=bool(terms)
            )
        schedule, needs = choose_schedule(terms, self.found, selection, n1, n2, self.x2 is None, item, self.budget)
        entries = [entry for term in terms for entry in self._entries(term, schedule)]
        entries += self._functional_entries(rest, "jacobian", rest_bytes)
        named = {entry.name for entry in entries}
        entries += [ParameterPlan(name, "unused", 0.0, 0) for name in self.theta if name not in named]
        return self._plan("structured", entries, max(needs.peak, rest_bytes), terms, schedule, tuple(rest), rest_tile)

    def functional(self, algorithm: str) -> Plan:
        choose = jacobian_tile if algorithm == "jacobian" else ntkvp_tile
        item = self.x1.element_size()
        tile, needs = choose(self.theta, self.found, self.selection, *self.n, item, self.budget)
        entries = self._functional_entries(self.theta, algorithm, needs)
        return self._plan(algorithm, entries, needs, (), Schedule(tile, tile, True), tuple(self.theta), tile)

    def _entries(self, term: Term, schedule: Schedule) -> list[ParameterPlan]:
        """A term's cost, shared among its parameters by size; a layer's passes go to its parameters."""
        n1, n2 = self.n
        total = sum(sum(layer.numels) for layer in term.layers)
        flops = self.half * term.flops(n1, n2, self.selection.columns, self.selection.flat)
        tiles = -(-n1 // schedule.tile)
        samples = n1 * (tiles + 1) / 2 if self.x2 is None else n1 + tiles * n2
        held = 2 if tiles > 1 else 1
        state = sum(term.state_numels(schedule.tile, self.selection.columns)) * self.x1.element_size() * held
        entries = []
        for layer in term.layers:
            passes = 2.0 * layer.macs * samples * (1 + self.selection.columns)
            for (_, name), numel_ in zip(layer.parameters, layer.numels, strict=True):
                share = numel_ / total
                cost = share * flops + passes * numel_ / sum(layer.numels)
                entries.append(ParameterPlan(name, term.rule, cost, int(share * state)))
        return entries

    def _functional_entries(self, params: Params, algorithm: str, needs: int) -> list[ParameterPlan]:
        """`jacobian`: C passes over the net with weight gradients and a product; `ntkvp`: N2 C passes over x1."""
        n1, n2 = self.n
        C, flat = self.selection.columns, self.selection.flat
        macs = sum(layer.macs for layer in self.found.layers) + numel(params)
        entries = []
        for name, p in params.items():
            share = p.numel() / numel(params)
            if algorithm == "jacobian":
                flops = 2.0 * macs * share * (n1 + n2) * (1 + 2 * C)
                flops += self.half * 2.0 * n1 * n2 * p.numel() * (C if flat else C * C)
            else:
                flops = 4.0 * macs * share * n1 * n2 * C
            entries.append(ParameterPlan(name, algorithm, flops, int(share * needs)))
        return entries

    def _plan(
        self,
        algorithm: str,
        entries: list[ParameterPlan],
        peak: int,
        terms: tuple[Term, ...],
        schedule: Schedule,
        rest: tuple[str, ...],
        rest_tile: int,
    ) -> Plan:
        n1, n2 = self.n
        C = self.selection.columns
        shape = (n1, n2) if self.selection.trace or self.selection.scalar else (n1, n2, C, C)
        order = {name: i for i, name in enumerate(self.theta)}
        return Plan(
            algorithm=algorithm,
            shape=shape,
            parameters=tuple(sorted(entries, key=lambda e: order[e.name])),
            flops=sum(e.flops for e in entries),
            peak_bytes=peak,
            kernel_bytes=n1 * n2 * (1 if self.selection.flat else C * C) * self.x1.element_size(),
            tile=schedule.tile,
            chunk=schedule.chunk,
            symmetric=self.x2 is None,
            idle=self.found.idle,
            sample_shape=tuple(self.x1.shape[1:]),
            dtype=str(self.x1.dtype),
            selection=self.selection,
            terms=terms,
            schedule=schedule,
            rest=rest,
            rest_tile=rest_tile,
        )

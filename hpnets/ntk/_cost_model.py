"""The cost model: which contraction each layer gets, and how long a plan takes, in operations and in memory traffic."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

import torch

from hpnets.ntk._failures import RefusalError
from hpnets.ntk._layer import Layer
from hpnets.ntk._problem import Problem
from hpnets.ntk._rules.base import BiasRule, OuterRule
from hpnets.ntk._survey import Survey
from hpnets.ntk._terms import Explicit, Functional, Gram, Pooled, Positions, Readout, Separable, Term
from hpnets.ntk._terms.chunks import chunks_flops
from hpnets.ntk._terms.gram import flags
from hpnets.ntk._terms.sandwich import sandwich_cost

# The contractions of parameters that are not taken from layers.
SLOW = frozenset({"jacobian", "loop", "unused"})


@dataclasses.dataclass(frozen=True)
class Distrust:
    """What proofs have ruled out.

    chain: names of parameters whose layer is not treated as part of a Hadamard chain. rule: names of parameters that
    no rule is used for. vmap: whether vmap(jacrev) is used for the latter; if not, a loop of plain autograd is. quick:
    whether functions have quick backward forms, which round otherwise than torch's own.
    """

    chain: frozenset[str] = frozenset()
    rule: frozenset[str] = frozenset()
    vmap: bool = True
    quick: bool = True

    def widened(self, contractions: dict[str, str], dtype: torch.dtype) -> "Distrust":
        """This distrust and more of it: a proof failed for these parameters, given with the contraction of each.

        In float32 torch's own functions are tried first: a gate at its threshold may be open in one pass and closed in
        another that rounds otherwise, and neither is wrong. Raises RefusalError if a loop of plain autograd failed,
        since then plain autograd contradicts itself.
        """
        if self.quick and dtype == torch.float32 and not SLOW.issuperset(contractions.values()):
            return dataclasses.replace(self, quick=False)
        if "loop" in contractions.values():
            raise RefusalError(
                f"net gives a sample another gradient of {', '.join(contractions)} beside others, so it "
                "couples samples: part what couples them"
            )
        chain = {name for name, kind in contractions.items() if kind in ("separable", "pooled")}
        vmap = self.vmap and "jacobian" not in contractions.values()
        rule = self.rule | (contractions.keys() - chain)
        return dataclasses.replace(self, chain=self.chain | chain, rule=rule, vmap=vmap)


def choose_terms(survey: Survey, problem: Problem, distrust: Distrust) -> tuple[Term, ...]:
    """The terms that cover every parameter of every layer; dense layers with one input share a term."""
    readout = None if survey.readout is None else survey.layers[survey.readout]
    dense: dict[tuple[int, tuple[bool, bool], bool], list[Layer]] = defaultdict(list)
    terms: list[Term] = []
    explicit: list[Layer] = []
    for i, whole in enumerate(survey.layers):
        layer = whole.without(distrust.rule)
        if not layer.sources or not layer.parameters:
            continue
        apart = i in survey.separable and distrust.chain.isdisjoint(layer.names)
        if i == survey.readout:
            terms.append(Readout((layer,), *flags(layer), problem.selection))
        elif layer.dense:
            dense[layer.sources[0], flags(layer), apart].append(layer)
        elif apart:
            assert readout is not None
            terms.append(Pooled((layer,), *flags(layer), readout, problem.selection))
        else:
            _add_positions(layer, problem, terms, explicit)
    for (_, has, apart), layers in dense.items():
        if apart:
            assert readout is not None
            terms.append(Separable(tuple(layers), *has, readout, problem.selection))
        else:
            terms.append(Gram(tuple(layers), *has))
    return (*terms, Explicit(tuple(explicit))) if explicit else tuple(terms)


def _add_positions(layer: Layer, problem: Problem, terms: list[Term], explicit: list[Layer]) -> None:
    """Add the term of the layer's weight by its cheapest contraction, and the bias to the explicit ones."""
    if isinstance(layer.rule, OuterRule) and "weight" not in layer.locals:
        explicit.append(_bias(layer))
        return
    contraction = _contraction(layer, problem)
    if contraction == "gradient":
        explicit.append(layer)
        return
    terms.append(Positions((layer.only("weight"),), contraction))
    explicit += [_bias(layer)] if "bias" in layer.locals else []


def _contraction(layer: Layer, problem: Problem) -> str:
    """The cheapest of the three contractions for one layer's weight."""
    if not isinstance(layer.rule, OuterRule) or layer.geometry is None:
        return "gradient"
    _, S, I, H = layer.geometry
    if sandwich_cost(layer.geometry, problem) < chunks_flops(layer.geometry, problem):
        return "sandwich"
    # Keeping the whole gradient costs as many operations as chunks do, so memory decides: J (left) or P and G (right).
    C = problem.C
    return "gradient" if H * I * C <= 2 * S * (I + C * H) else "chunks"


def _bias(layer: Layer) -> Layer:
    assert isinstance(layer.rule, OuterRule)
    return dataclasses.replace(layer.only("bias", BiasRule(layer.rule)), kept=0)


def rest_term(survey: Survey, numels: dict[str, int], names: Iterable[str], contraction: str) -> tuple[Term, ...]:
    """One term for the parameters `names`, () if there are none."""
    members = tuple(names)
    sizes = tuple(numels[name] for name in members)
    return (Functional(members, sizes, contraction, survey.saved, survey.widest),) if members else ()


@dataclasses.dataclass(frozen=True)
class Rates:
    """A machine's rates in float32 on two threads, with the names of docs/results/calibration.

    Only ratios between plans matter for a choice; in float64 everything takes about twice as long.
    """

    gram_flops: float
    small_conv_flops: float
    fresh_bytes_per_second: float
    elementwise_bytes_per_second: float
    node_seconds: float


RATES = Rates(1.49e11, 4.01e10, 2.65e9, 3.81e10, 7.58e-6)
_MOVED = RATES.elementwise_bytes_per_second
# A forward pass has about this many autograd nodes for each layer with parameters.
NODES = 3


def predict_seconds(terms: tuple[Term, ...], survey: Survey, problem: Problem, samples: float, size: int) -> float:
    """The predicted seconds of a kernel by `terms`, whose passes run over `samples` samples.

    size: scalars of the net's parameters. A pass costs its operations, and the traffic of what autograd keeps; a
    contraction costs its operations; factors cost the first write to their memory, which dominates where weights are
    large and their J is formed.
    """
    C, item = problem.C, problem.item
    macs = sum(layer.macs for layer in survey.layers) + size
    one_pass = samples * (2.0 * macs / RATES.small_conv_flops + 3.0 * item * survey.saved / _MOVED)
    overhead = NODES * len(survey.layers) * RATES.node_seconds
    seconds = (1 + C) * (one_pass + overhead) if any(term.layers for term in terms) else 0.0
    for term in terms:
        factors = item * samples * sum(term.state_numels(1, C))
        seconds += problem.half * term.flops(problem) / RATES.gram_flops + factors / RATES.fresh_bytes_per_second
        if isinstance(term, Functional):
            seconds += factors / RATES.fresh_bytes_per_second + 2 * factors / _MOVED  # the parts of J, and its copy
            weighted = 1 + 2 * C
            # Each pass of the loop runs over two samples and gives the gradient of one of them.
            looped = term.contraction == "loop"
            seconds += (2 if looped else 1) * weighted * one_pass + (samples * C if looped else weighted) * overhead
    return seconds * item / 4

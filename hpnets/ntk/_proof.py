"""The proof of a kernel on its own samples: rules and shortcuts are compared with plain autograd of the net itself."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from hpnets.ntk._condition import is_faint, rounding_refusal
from hpnets.ntk._disagreement import (
    FLOOR,
    ROUNDING,
    TOLERANCE,
    beyond,
    check_condition,
    disagreeing,
    errors_of,
    finite_norms,
    is_rounding,
    with_floor,
    without_noise,
)
from hpnets.ntk._entries import Row, made_row
from hpnets.ntk._failures import DisprovenError, RefusalError
from hpnets.ntk._forms import channels_last, is_quicker
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._independence import Batch, check_same_outputs, crossed, regrouped, working_dtype
from hpnets.ntk._mixing import draw_mixes
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._summed_terms import layer_sizes, row_sizes
from hpnets.ntk._terms.base import State, Term
from hpnets.ntk._terms.gram import Dense
from hpnets.ntk._truth import Truth

# Terms are taken to cancel only in gradients below this share of the gradient of all parameters.
CANCELLED = 0.1
# A second pass over so many scalars of weights takes longer than what smaller batches of activations save.
LARGE = 2**20


@dataclass
class Passes:
    """The passes over the samples x in which factors were made.

    made: for each pass its rows, its outputs (rows, O), and whether the RNG moved in it.
    """

    x: Tensor
    made: list[tuple[slice, Tensor, bool]] = field(default_factory=list)


@dataclass
class Prover:
    """Proves the factors of each block of samples, and a few entries of the kernel.

    known: names of parameters that were proven with this plan before; new ones are added to the set once an entry of
    the kernel is proven too. again: whether the known ones are proven again. whole: the parameters of the kernel that
    `params` are a part of, None if they are all. seen: whether an earlier call proved this plan of the network as it is
    set now, each sample without some that stand beside it: then all that fit go into one batch, in random order, which
    is quicker. shown: names of parameters whose gradients were proven in this call. compared: by name the norm of the
    gradients that were compared, and that of their errors in units of TOLERANCE. row: the row that is proven once the
    kernel of the samples first proven is there; a trace has none.
    """

    net: nn.Module
    params: Params
    selection: OutputSelection
    terms: tuple[Term, ...]
    known: set[str] = field(default_factory=set)
    again: bool = True
    whole: Params | None = None
    seen: bool = False
    shown: set[str] = field(default_factory=set)
    compared: dict[str, tuple[float, float]] = field(default_factory=dict)
    row: Row | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to prove."""
        return not self.again and self.known.issuperset(self.params)

    @property
    def _contractions(self) -> dict[str, str]:
        return {name: term.contraction for term in self.terms for name in term.names}

    def outputs(self, x: Tensor) -> Tensor:
        """The net's own outputs at x, (n, O)."""
        with own_parameters(self.net, self.params):
            return plain_call(self.net, x)

    def prove_factors(self, passes: Passes, states: list[State], laid_out: Params, most: int) -> None:
        """DisprovenError with the parameters whose J^T u by the factors is not autograd's, u (n, C) random.

        Each sample has a cotangent of its own, so that rows in another order show. The net's outputs must be those of
        `passes`, in which the factors were made, in other company too (RefusalError): the passes that give the truth
        are made over other batches, of `most` samples or one more. laid_out: the parameters in the layout of `passes`.
        """
        if laid_out is not self.params:
            try:
                # Another layout than that of `passes` rounds otherwise, and opens other gates.
                return self._prove_factors(passes, states, laid_out, most)
            except (RuntimeError, DisprovenError, RefusalError):
                pass  # a network that views memory may need its own
        self._prove_factors(passes, states, self.params, most)

    def _prove_factors(self, passes: Passes, states: list[State], params: Params, most: int) -> None:
        x, mixes = passes.x, draw_mixes(self.terms, self.params)
        u = torch.randn(len(x), self.selection.columns, dtype=x.dtype, device=x.device)
        a = self._row_to_prove(len(x), mixes)
        pulled: Params = {}
        products: list[Tensor] = []
        for term, state in zip(self.terms, states, strict=True):
            Gu = term.summed(state, u)
            own = term.pulled(state, Gu, mixes)
            pulled.update(own)
            if a is not None:  # while the factors are in the caches
                products.append(term.row(state, u, a, Gu, own))
        run = max(rows.stop - rows.start for rows, _, _ in passes.made)
        run = run if sum(p.numel() for p in params.values()) >= LARGE else len(x)
        run = min(run, len(x) // 2) if self.seen else run
        samples = channels_last(x) if params is not self.params and is_quicker(x) else x
        truth = Truth(self.net, params, self.selection, samples, u, mixes, most)
        norm = self._compare(passes, states, pulled, truth, partial(regrouped, len(x), x.device, most, run))
        if len(x) == 2 and any(term.contraction == "jacobian" for term in self.terms):
            # vmap runs each sample alone, as the batches of two samples do.
            self._compare(passes, states, pulled, truth, partial(crossed, x.device))
        if a is not None:
            self.row = made_row(states, u, a, products, norm)

    def _row_to_prove(self, n: int, mixes: Params) -> int | None:
        """A random one of n samples whose row is to be proven, if none is yet and it can be: that of a trace cannot."""
        whole = all(isinstance(term, Dense) or mixes.keys().isdisjoint(term.names) for term in self.terms)
        wanted = self.row is None and n > 1 and not self.selection.trace and whole
        return random.randrange(n) if wanted else None

    def _compare(
        self,
        passes: Passes,
        states: list[State],
        pulled: Params,
        truth: Truth,
        batches: Callable[[], list[Batch]],
    ) -> float:
        """Compare J^T u by the factors, `pulled`, and the passes' outputs with the truth over such batches.

        Returns the norm of J^T u.
        """
        x, dtype = passes.x, passes.x.dtype
        right, other = truth.over(batches())
        norms = finite_norms(right)
        for rows, y, drawn in passes.made:
            check_same_outputs(self.net, self.params, x[rows], y, other[rows], drawn)
        norm = math.hypot(*norms.values())
        if is_faint(norm, self.selection.seeds(truth.u)):
            noise = math.hypot(*truth.noise(batches()).values())
            if noise > ROUNDING[dtype] * norm and noise > TOLERANCE[dtype] * self._size(norm, truth, batches()):
                raise rounding_refusal(norms, dtype)
        errors = errors_of(pulled, right, right)
        wrong = disagreeing(pulled, right, errors, with_floor(right, norms))
        if wrong and max(norms.get(name, 0.0) for name in wrong) <= CANCELLED * norm:
            summed = self._sizes(passes, truth.u, wrong, states)
            sizes = {name: max(norms.get(name, 0.0), summed.get(name, 0.0)) for name in wrong}
            wrong = disagreeing(pulled, right, errors, sizes)
        if wrong:
            again, _ = truth.over(batches())
            dtype = working_dtype(self.net, self.params, x[passes.made[0][0]])
            floor = FLOOR[dtype] * norm
            wrong = [n for n in wrong if not is_rounding(pulled.get(n), right[n], again[n], dtype, floor)]
        if wrong:
            most = TOLERANCE[dtype] * self._size(norm, truth, batches())
            wrong = without_noise(wrong, errors, most, lambda: truth.noise(batches()))
        if wrong and dtype == torch.float32:
            wrong = self._without_uncoupled(wrong, passes, pulled, truth, batches())
        if wrong:
            contractions = {name: self._contractions.get(name, "unused") for name in wrong}
            if "loop" in contractions.values():
                check_condition(wrong, errors, truth.noise(batches()), x.dtype)
            raise DisprovenError(contractions)
        self.shown |= {name for name, norm in norms.items() if norm > 0}
        for name, error in errors.items():
            size, off = self.compared.get(name, (0.0, 0.0))
            self.compared[name] = math.hypot(size, norms.get(name, 0.0)), math.hypot(off, error / TOLERANCE[dtype])
        return norm

    def _size(self, norm: float, truth: Truth, batches: list[Batch]) -> float:
        """The norm of J^T u for all parameters of the kernel; `norm` is that for those which are proven here."""
        if self.whole is None:
            return norm
        whole, _ = replace(truth, params=self.whole, mixes={}).over(batches)
        return math.hypot(*finite_norms(whole).values())

    def holds_alone(self, names: Iterable[str]) -> bool:
        """Whether the gradients of these parameters are right beside their own size, not only beside all others."""
        compared = [self.compared[name] for name in names if name in self.compared]
        return math.hypot(*(off for _, off in compared)) <= math.hypot(*(size for size, _ in compared))

    def _without_uncoupled(
        self, names: list[str], passes: Passes, pulled: Params, truth: Truth, other: list[Batch]
    ) -> list[str]:
        """The names without those whose factors are plain autograd's, if other company changes these in float32 only.

        A gate at its threshold may be open in one company and closed in another that rounds otherwise.
        """
        runs = [torch.arange(rows.start, rows.stop, device=passes.x.device) for rows, _, _ in passes.made]
        company = [Batch(rows, 0) for rows in runs]
        wrong = beyond(pulled, truth.over(company)[0], names)
        plain = [name for name in names if name not in wrong or self._contractions.get(name) == "loop"]
        if not plain:
            return names
        try:
            double = truth.in_float64()
            (own, _), (right, _) = double.over(company), double.over(other)
        except Exception:  # a net that has no copy or no float64 is judged in float32
            return names
        coupled = beyond({name: g.flatten() for name, g in own.items() if g is not None}, right, plain)
        return [name for name in names if name not in plain or name in coupled]

    def _sizes(self, passes: Passes, u: Tensor, names: list[str], states: list[State]) -> dict[str, float]:
        """For each parameter the root of the summed squares of the terms (samples, positions) that its gradient sums.

        They set the scale of rounding: the bias of attention's keys has gradient 0 as a sum of terms that are not 0.
        """
        layers = [layer for term in self.terms for layer in term.layers if not set(names).isdisjoint(layer.names)]
        squares: dict[str, float] = defaultdict(float)
        for rows, _, _ in passes.made if layers else ():
            seeds = self.selection.seeds(u[rows])
            for name, size in layer_sizes(self.net, self.params, passes.x[rows], seeds, layers).items():
                squares[name] += size**2
        sizes = {name: square**0.5 for name, square in squares.items()}
        for term, state in zip(self.terms, states, strict=True):
            if not term.layers and not set(names).isdisjoint(term.names):
                sizes |= row_sizes(term, state, u)
        return sizes

    def conclude(self, wrong: bool) -> None:
        """Count the gradients of this call as known; DisprovenError if the contraction is wrong.

        A plan whose contraction is wrong has proven nothing, so that a later call looks at it again.
        """
        if wrong:
            self.known.clear()
            raise DisprovenError(self._contractions)
        self.known |= self.shown

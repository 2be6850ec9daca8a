"""What a computation gives with other random numbers, also with those that it nearly never draws."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hpnets.ntk._rngs import Rngs

Outcome = TypeVar("Outcome")
_ATEN = torch.ops.aten
_BERNOULLI = {_ATEN.bernoulli, _ATEN.bernoulli_}
_UNIFORM = {_ATEN.rand, _ATEN.rand_like, _ATEN.uniform_}
_INTEGERS = {_ATEN.randint, _ATEN.randint_like, _ATEN.random_}
# A seed that no network sets, so that its own generators are in other states.
_UNUSUAL = 0x6E746B


def drawn_outcomes(call: Callable[[], Outcome], rngs: Rngs, seeds: int) -> Iterator[Outcome]:
    """What `call` gives under so many seeds, then with all random numbers at one end of their range, and at the other.

    So a branch that is dropped once in ten thousand calls is seen. A generator of torch's that is in one state after
    `call` whatever the seed was seeded by it, and what it draws is fixed: its numbers are left as they are. The RNGs
    are seeded anew and not restored, which `undisturbed` does.
    """
    states: dict[torch.Generator | None, set[bytes]] = defaultdict(set)
    for seed in range(seeds):
        rngs.seed(seed)
        outcome = call()
        for generator, state in rngs.torch_states().items():
            states[generator].add(state)
        yield outcome
    moved = [generator for generator, after in states.items() if len(after) > 1]
    for high in (False, True):
        rngs.seed(_UNUSUAL)
        with rngs.at_an_end(high), Extremes(high, moved):
            outcome = call()
        yield outcome


class Extremes(TorchDispatchMode):
    """Within it, zeros and ones that torch draws are all ones if `high`, else zeros, other numbers at that end.

    generators: those whose draws are changed, None for torch's own. Numbers are uniform ones, real or whole.
    """

    def __init__(self, high: bool, generators: Collection[torch.Generator | None] = (None,)) -> None:
        super().__init__()
        self.high = high
        self.generators = generators

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result, packet = func(*args, **kwargs), func.overloadpacket
        if not self._changes(kwargs.get("generator")):
            return result
        if packet in _BERNOULLI:
            self._decide(result, args[1] if len(args) > 1 else 0.5 if packet is _ATEN.bernoulli_ else args[0])
        elif packet in _UNIFORM:
            self._move(result, *(args[1:] if packet is _ATEN.uniform_ else ()))
        elif packet in _INTEGERS:
            self._choose(result, *(args[:-1] if packet is _ATEN.randint else args[1:]))
        elif packet is _ATEN.native_dropout:
            self._drop(*result, *args)
        return result

    def _changes(self, generator: torch.Generator | None) -> bool:
        """Whether draws of this generator are changed: torch hands on another object, of one state with the first."""
        if generator is None:
            return None in self.generators
        held = (g for g in self.generators if g is not None and g.device == generator.device)
        return any(torch.equal(g.get_state(), generator.get_state()) for g in held)

    def _decide(self, drawn: Tensor, p: Tensor | float) -> None:
        """Overwrite what was drawn with a probability between 0 and 1."""
        if isinstance(p, Tensor):
            drawn.masked_fill_((p > 0) & (p < 1), float(self.high))
        elif 0 < p < 1:
            drawn.fill_(float(self.high))

    def _move(self, drawn: Tensor, low: float = 0.0, high: float = 1.0) -> None:
        """Overwrite what was drawn from [low, high)."""
        drawn.fill_(high - (high - low) * torch.finfo(drawn.dtype).eps if self.high else low)

    def _choose(self, drawn: Tensor, *bounds: int | None) -> None:
        """Overwrite what was drawn of the whole numbers from 0, or the first of two bounds, to below the last."""
        *low, high = (0, *bounds) if bounds else (0, None)
        if high is not None:
            drawn.fill_(high - 1 if self.high else low[-1] or 0)

    def _drop(self, y: Tensor, kept: Tensor, x: Tensor, p: float, train: bool | None) -> None:
        """Overwrite what an accelerator's dropout gave, x / (1 - p) where it is kept."""
        if 0 < p < 1 and train is not False:
            y.copy_(x / (1 - p) if self.high else torch.zeros_like(x))
            kept.fill_(self.high)

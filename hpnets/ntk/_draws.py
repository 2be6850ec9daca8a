"""What a computation gives with other random numbers, also with those that it nearly never draws."""

import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hpnets.ntk._state import rng_state

Outcome = TypeVar("Outcome")
_ATEN = torch.ops.aten
_BERNOULLI = {_ATEN.bernoulli, _ATEN.bernoulli_}
_UNIFORM = {_ATEN.rand, _ATEN.rand_like, _ATEN.uniform_}
# A word of the state of Python's Mersenne Twister that comes out as 32 ones; one of 0 comes out as 0.
_ONES = 0x12DD9BB3
# So many words of the state are set, each number of `random.random` being made of two. What loops until a number suits
# it goes on with the others.
_SET = 200


def drawn_outcomes(call: Callable[[], Outcome], device: torch.device, seeds: int) -> Iterator[Outcome]:
    """What `call` gives under so many seeds, then with all random numbers at one end of their range, and at the other.

    So a branch that is dropped once in ten thousand calls is seen. If `call` leaves torch's RNG in one state whatever
    the seed, it has set a seed of its own, and what it draws is fixed: then the ends are left out. Torch's RNG and
    Python's are seeded anew and not restored, which `undisturbed` does.
    """
    states = set[tuple[Any, ...]]()
    for seed in range(seeds):
        _seed(seed)
        outcome = call()
        states.add(tuple(rng_state(device)[:-1]))  # without Python's
        yield outcome
    for high in (False, True) if len(states) > 1 else ():
        _seed(0)
        with Extremes(high):
            outcome = call()
        yield outcome


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)


class Extremes(TorchDispatchMode):
    """Within it, zeros and ones that torch draws are all ones if `high`, else zeros, and uniform numbers at that end.

    So are the first hundred numbers of Python's RNG. Draws from a generator that the network passes are left as they
    are, since it may have seeded it.
    """

    def __init__(self, high: bool) -> None:
        super().__init__()
        self.high = high

    def __enter__(self) -> "Extremes":
        version, words, _ = random.Random(0).getstate()
        random.setstate((version, (_ONES if self.high else 0,) * _SET + words[_SET:-1] + (0,), None))
        super().__enter__()
        return self

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result, packet = func(*args, **kwargs), func.overloadpacket
        if kwargs.get("generator") is not None:
            return result
        if packet in _BERNOULLI:
            self._decide(result, args[1] if len(args) > 1 else 0.5 if packet is _ATEN.bernoulli_ else args[0])
        elif packet in _UNIFORM:
            self._move(result, *(args[1:] if packet is _ATEN.uniform_ else ()))
        elif packet is _ATEN.native_dropout:
            self._drop(*result, *args)
        return result

    def _decide(self, drawn: Tensor, p: Tensor | float) -> None:
        """Overwrite what was drawn with a probability between 0 and 1."""
        if isinstance(p, Tensor):
            drawn.masked_fill_((p > 0) & (p < 1), float(self.high))
        elif 0 < p < 1:
            drawn.fill_(float(self.high))

    def _move(self, drawn: Tensor, low: float = 0.0, high: float = 1.0) -> None:
        """Overwrite what was drawn from [low, high)."""
        drawn.fill_(high - (high - low) * torch.finfo(drawn.dtype).eps if self.high else low)

    def _drop(self, y: Tensor, kept: Tensor, x: Tensor, p: float, train: bool | None) -> None:
        """Overwrite what an accelerator's dropout gave, x / (1 - p) where it is kept."""
        if 0 < p < 1 and train is not False:
            y.copy_(x / (1 - p) if self.high else torch.zeros_like(x))
            kept.fill_(self.high)

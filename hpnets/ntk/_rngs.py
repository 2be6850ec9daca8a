"""The random number generators that a network may draw from: torch's, Python's, numpy's, and those of its own."""

import ctypes
import inspect
import pickle
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Rng = torch.Generator | random.Random | np.random.Generator | np.random.RandomState
_KINDS = frozenset({torch.Generator, random.Random, np.random.Generator, np.random.RandomState})
# The generators behind the functions of the modules `random` and `numpy.random`.
_PYTHONS, _NUMPYS = random._inst, np.random.mtrand._rand
# The bytes of a Mersenne Twister in C: 624 words and the place of the next one.
_TWISTER = 625 * 4
# A word of its state that comes out as 32 ones; one of 0 comes out as 0.
_ONES = 0x12DD9BB3
# So many words are set, each number of `random.random` being made of two.
_SET = 200


class Rngs:
    """The RNGs that networks of these modules may draw from on `device`.

    Generators are found that are an attribute of a module, or a global variable of the file that its forward is
    written in. Those in containers and closures are not seen, nor those that forward makes of the system's entropy.
    """

    def __init__(self, modules: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        spaces = _namespaces(list(modules))
        self._places = [(space, name) for space in spaces for name, value in space.items() if type(value) in _KINDS]

    def state(self) -> list[Any]:
        """A value that changes when one of the RNGs is drawn from or seeded; compare it by ==."""
        held = [pickle.dumps(_get(rng)) for rng in self._own if not isinstance(rng, torch.Generator)]
        return [self.torch_states(), _PYTHONS.getstate(), _numpys_state(), *held]

    def torch_states(self) -> dict[torch.Generator | None, bytes]:
        """The state of each generator of torch's, and under None that of those which it draws from by default."""
        states: dict[torch.Generator | None, bytes] = {}
        states[None] = b"".join(state.numpy().tobytes() for state in self._default_states())
        states.update((rng, rng.get_state().numpy().tobytes()) for rng in self._own if isinstance(rng, torch.Generator))
        return states

    def seed(self, seed: int) -> None:
        """Seed all of them anew."""
        torch.manual_seed(seed)
        for rng in self._others():
            _seed(rng, seed)

    @contextmanager
    def at_an_end(self, high: bool) -> Iterator[None]:
        """Let the first hundred numbers of Python's and numpy's be the greatest there are if `high`, else the least.

        Only a Mersenne Twister can be brought to that, so the block has one in place of others that a network has.
        """
        before = [(place, name, place[name]) for place, name in self._places]
        try:
            for place, name, rng in before:
                if isinstance(rng, np.random.Generator):
                    place[name] = np.random.Generator(np.random.MT19937())
            for rng in self._others():
                _turn_to_an_end(rng, high)
            yield
        finally:
            for place, name, rng in before:
                place[name] = rng

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Restore them at the end."""
        rngs, default = self._others(), self._default_states()
        states = [_get(rng) for rng in rngs]
        try:
            yield
        finally:
            torch.random.set_rng_state(default[0])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(default[1], self.device)
            for rng, state in zip(rngs, states, strict=True):
                _set(rng, state)

    @property
    def _own(self) -> list[Rng]:
        return [place[name] for place, name in self._places]

    def _others(self) -> list[Rng]:
        return [_PYTHONS, _NUMPYS, *self._own]

    def _default_states(self) -> list[Tensor]:
        on_device = [torch.cuda.get_rng_state(self.device)] if self.device.type == "cuda" else []
        return [torch.random.get_rng_state(), *on_device]


def _namespaces(modules: list[nn.Module]) -> list[dict[str, Any]]:
    """Where modules may keep a generator; torch's own modules do not."""
    own = [m for m in modules if not type(m).__module__.startswith("torch.")]
    forwards = (inspect.unwrap(kind.forward) for kind in {type(m) for m in own})
    spaces = [*map(vars, own), *(getattr(forward, "__globals__", {}) for forward in forwards)]
    return [*{id(space): space for space in spaces}.values()]


def _numpys_state() -> bytes:
    """The state of numpy's own RNG, read where C keeps it, since `get_state` takes 60 times as long."""
    bits = _NUMPYS._bit_generator
    if isinstance(bits, np.random.MT19937):
        return ctypes.string_at(bits.ctypes.state_address, _TWISTER)
    return pickle.dumps(bits.state)


def _bits(rng: np.random.Generator | np.random.RandomState) -> np.random.BitGenerator:
    """What makes the numbers of a generator."""
    return rng.bit_generator if isinstance(rng, np.random.Generator) else rng._bit_generator


def _turn_to_an_end(rng: Rng, high: bool) -> None:
    """Set a Mersenne Twister's first words; what loops until a number suits it goes on with the others."""
    version, words, _ = random.Random(0).getstate()
    words = (_ONES if high else 0,) * _SET + words[_SET:-1]
    if isinstance(rng, random.Random):
        rng.setstate((version, (*words, 0), None))
    elif not isinstance(rng, torch.Generator) and isinstance(bits := _bits(rng), np.random.MT19937):
        bits.state = {"bit_generator": "MT19937", "state": {"key": np.array(words, np.uint32), "pos": 0}}


def _get(rng: Rng) -> Any:
    if isinstance(rng, torch.Generator):
        return rng.get_state()
    if isinstance(rng, random.Random):
        return rng.getstate()
    return rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else rng.bit_generator.state


def _set(rng: Rng, state: Any) -> None:
    if isinstance(rng, random.Random):
        rng.setstate(state)
    elif isinstance(rng, np.random.Generator):
        rng.bit_generator.state = state
    else:
        rng.set_state(state)


def _seed(rng: Rng, seed: int) -> None:
    if isinstance(rng, torch.Generator):
        rng.manual_seed(seed)
    elif isinstance(rng, random.Random):
        rng.seed(seed)
    else:
        # A RandomState also keeps the second of two normal numbers.
        kept = {"has_gauss": 0, "gauss": 0.0} if isinstance(rng, np.random.RandomState) else {}
        _set(rng, {**type(_bits(rng))(seed).state, **kept})

"""Ask and tell: what every optimiser of expensive functions here does alike."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hpnets.validate import at_least, boolean, finite, require, require_shape

# Objectives are drawn with small seeds too: an optimiser that samples must not draw that of its own seed.
OWN_STREAM = 0x5EED_0F_0F


@dataclass(frozen=True)
class Box:
    """All x (d,) with lower <= x <= upper (d,); a proposal chooses among `points` scrambled Sobol points of it.

    Raises ValueError for bounds that are not finite or leave no volume, and for points < 1.
    """

    lower: Tensor
    upper: Tensor
    points: int = 1024

    def __post_init__(self) -> None:
        alike = self.lower.ndim == 1 and self.lower.shape == self.upper.shape
        require_shape(alike, "lower", self.lower, f"(d,), as upper, which has {tuple(self.upper.shape)}")
        inside = torch.isfinite(self.lower) & torch.isfinite(self.upper) & (self.upper > self.lower)
        box = list(zip(self.lower.tolist(), self.upper.tolist(), strict=True))
        require(bool(inside.all()), "the box", box, "finite lower < upper in every coordinate: leave out what is fixed")
        at_least("points", self.points, 1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """`points` points (points, d), fresh at each call."""
        seed = int(torch.randint(2**31, (), generator=generator))
        unit = torch.quasirandom.SobolEngine(len(self.lower), scramble=True, seed=seed).draw(self.points)
        return self.lower + unit.to(self.lower) * (self.upper - self.lower)


class AskAndTell(ABC):
    """Maximises an unknown function from observations with noise: `propose` points, evaluate them, `observe`.

    noise: the standard deviation s >= 0 of an observation's noise. repeats: whether a candidate that was observed may
    be proposed again. With s > 0 an x that is observed twice counts as its mean with variance s^2 / 2; with s = 0 it is
    refused. The surrogates' mean is 0: subtract a guess of the values' mean before they are observed.

    `state_dict` holds tensors alone: the observations and the random state. After `load_state_dict` into an optimiser
    made with the same arguments, proposals are those that would have come, bit by bit.
    """

    def __init__(self, noise: float, seed: int = 0, repeats: bool = True) -> None:
        self.noise, self.repeats = finite("noise", noise, minimum=0), boolean("repeats", repeats)
        self.generator = torch.Generator().manual_seed(at_least("seed", seed, 0) + OWN_STREAM)
        self.x: Tensor | None = None  # (n, *shape)
        self.y = torch.zeros(0, dtype=torch.float64)

    @abstractmethod
    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """What is maximised over the candidates (M, *shape): a row for each point of the batch, (batch, M)."""

    def propose(self, where: Tensor | Box, batch: int = 1) -> Tensor:
        """The points (batch, *shape) to evaluate next, of candidates (M, *shape) or a box.

        Raises ValueError for a batch < 1; for candidates without any, of another shape than the observed, or with NaN
        or Inf; and without `repeats` if fewer than `batch` candidates are left.
        """
        at_least("batch", batch, 1)
        candidates = where.draw(self.generator) if isinstance(where, Box) else where
        self._check_points("candidates", candidates)
        taken = torch.zeros(len(candidates), dtype=torch.bool)
        if not self.repeats and self.x is not None:
            taken = _among(candidates, self.x)
        left = int((~taken).sum())
        if left < (1 if self.repeats else batch):
            raise ValueError(
                f"candidates has {left} of {len(candidates)} not yet observed; allowed: at least {batch}: a smaller "
                "batch, more candidates, or repeats=True"
            )
        return candidates[self._choose(self.scores(candidates, batch), taken)]

    def observe(self, x: Tensor, y: Tensor) -> None:
        """Take in values y (n,) at x (n, *shape).

        Raises ValueError for other shapes, for NaN or Inf, and with noise 0 for an x that is observed already.
        """
        self._check_points("x", x)
        require_shape(y.shape == (len(x),), "y", y, f"({len(x)},), a value for each x")
        require(bool(torch.isfinite(y).all()), "y", y.tolist(), "finite numbers; leave out evaluations that failed")
        before = x[:0] if self.x is None else self.x
        if self.noise == 0 and (bool(_among(x, before).any()) or len(x.flatten(1).unique(dim=0)) < len(x)):
            raise ValueError("x holds a point twice with noise 0; allowed: each point once, or noise > 0")
        self.x, self.y = torch.cat([before, x]), torch.cat([self.y, y.double()])

    def state_dict(self) -> dict[str, Any]:
        """The observations and the random state: {"x" (None before any), "y", "generator"}."""
        return {"x": self.x, "y": self.y, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; raises ValueError for other keys."""
        require(set(state) == {"x", "y", "generator"}, "state", sorted(state), "the keys generator, x, y")
        self.x, self.y = state["x"], state["y"]
        self.generator.set_state(state["generator"])

    def _choose(self, scores: Tensor, taken: Tensor) -> list[int]:
        """The best candidate of each row, without those that are taken."""
        chosen: list[int] = []
        for row in scores:
            best = int(row.masked_fill(taken, -torch.inf).argmax())
            chosen.append(best)
            if not self.repeats:
                taken[best] = True
        return chosen

    def _check_points(self, name: str, x: Tensor) -> None:
        fits = x.ndim >= 2 and len(x) > 0 and (self.x is None or x.shape[1:] == self.x.shape[1:])
        shape = "*shape" if self.x is None else ", ".join(map(str, self.x.shape[1:]))
        require_shape(fits, name, x, f"(at least 1, {shape})")
        require(bool(torch.isfinite(x).all()), name, "NaN or Inf in places", "finite numbers")


def _among(x: Tensor, others: Tensor) -> Tensor:
    """Which of x (n, *shape) are equal to one of the others, (n,)."""
    if not len(others):
        return torch.zeros(len(x), dtype=torch.bool)
    return (x.flatten(1)[:, None] == others.flatten(1)[None]).all(-1).any(1)

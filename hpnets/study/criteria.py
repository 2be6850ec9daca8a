"""Criteria decide whether a statement was seen: each is an object that writes its own text and decides the verdict.

A criterion names quantities, and `measured` holds them: a number, or a list or mapping of numbers, such as one for each
seed. It tests their mean or, with `each`, every one of them. Above("gain", 1).contradicted_if_reversed() reads "gain
above 1; contradicted if gain below 1".
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpnets.statistics import mean, standard_error

Verdict = Literal["reproduced", "not reproduced", "contradicted"]
Quantities = Mapping[str, Any]


class Criterion(ABC):
    """A condition on measured quantities; `str(criterion)` is the text on the page."""

    @abstractmethod
    def holds(self, measured: Quantities) -> bool:
        """Whether the quantities meet the criterion; raises ValueError if one of them was not measured."""

    def decide(self, measured: Quantities) -> Verdict:
        """The verdict on a claim with this criterion."""
        return "reproduced" if self.holds(measured) else "not reproduced"

    def __and__(self, other: "Criterion") -> "Criterion":
        return Both(self, other)

    def contradicted_if(self, contrary: "Criterion") -> "Criterion":
        """This criterion with a contrary case, in which the verdict is "contradicted"."""
        return Opposed(self, contrary)


class Reversible(Criterion):
    """A criterion whose contrary case is its own reverse."""

    @abstractmethod
    def reverse(self) -> Criterion:
        """The opposite criterion, at the same threshold."""

    def contradicted_if_reversed(self) -> Criterion:
        """This criterion with its reverse as the contrary case, in which the verdict is "contradicted"."""
        return Opposed(self, self.reverse())


@dataclass(frozen=True)
class Both(Criterion):
    """Both criteria hold."""

    one: Criterion
    other: Criterion

    def __str__(self) -> str:
        return f"{self.one}, and {self.other}"

    def holds(self, measured: Quantities) -> bool:
        return self.one.holds(measured) and self.other.holds(measured)


@dataclass(frozen=True)
class Opposed(Criterion):
    """`criterion` holds; if it does not but `contrary` does, the claim is contradicted."""

    criterion: Criterion
    contrary: Criterion

    def __str__(self) -> str:
        return f"{self.criterion}; contradicted if {self.contrary}"

    def holds(self, measured: Quantities) -> bool:
        return self.criterion.holds(measured)

    def decide(self, measured: Quantities) -> Verdict:
        verdict = self.criterion.decide(measured)
        return "contradicted" if verdict != "reproduced" and self.contrary.holds(measured) else verdict


@dataclass(frozen=True)
class Above(Reversible):
    """quantity > bound, for the mean or for each number."""

    quantity: str
    bound: float
    each: bool = False

    def __str__(self) -> str:
        return f"{self.quantity} above {self.bound:.3g}{_each(self.each)}"

    def holds(self, measured: Quantities) -> bool:
        return all(v > self.bound for v in chosen(measured, self.quantity, self.each))

    def reverse(self) -> Criterion:
        return Below(self.quantity, self.bound, self.each)


@dataclass(frozen=True)
class Below(Reversible):
    """quantity < bound, for the mean or for each number."""

    quantity: str
    bound: float
    each: bool = False

    def __str__(self) -> str:
        return f"{self.quantity} below {self.bound:.3g}{_each(self.each)}"

    def holds(self, measured: Quantities) -> bool:
        return all(v < self.bound for v in chosen(measured, self.quantity, self.each))

    def reverse(self) -> Criterion:
        return Above(self.quantity, self.bound, self.each)


@dataclass(frozen=True)
class Between(Criterion):
    """low <= quantity <= high, for the mean or for each number."""

    quantity: str
    low: float
    high: float
    each: bool = False

    def __str__(self) -> str:
        return f"{self.quantity} in [{self.low:.3g}, {self.high:.3g}]{_each(self.each)}"

    def holds(self, measured: Quantities) -> bool:
        return all(self.low <= v <= self.high for v in chosen(measured, self.quantity, self.each))


@dataclass(frozen=True)
class Less(Reversible):
    """The mean of a quantity is below that of another divided by `factor`; in reverse the other is below this one."""

    quantity: str
    other: str
    factor: float = 1.0

    def __str__(self) -> str:
        share = "" if self.factor == 1 else f"1/{self.factor:g} of "
        return f"{self.quantity} below {share}{self.other}"

    def holds(self, measured: Quantities) -> bool:
        less, more = (mean(numbers(measured, name)) for name in (self.quantity, self.other))
        return self.factor * less < more

    def reverse(self) -> Criterion:
        return Less(self.other, self.quantity)


@dataclass(frozen=True)
class Falls(Reversible):
    """The means of the quantity's entries fall from each entry to the next."""

    quantity: str
    over: str

    def __str__(self) -> str:
        return f"{self.quantity} falling with {self.over}"

    def holds(self, measured: Quantities) -> bool:
        return all(a > b for a, b in itertools.pairwise(means(measured, self.quantity)))

    def reverse(self) -> Criterion:
        return Rises(self.quantity, self.over)


@dataclass(frozen=True)
class Rises(Reversible):
    """The means of the quantity's entries rise from each entry to the next."""

    quantity: str
    over: str

    def __str__(self) -> str:
        return f"{self.quantity} rising with {self.over}"

    def holds(self, measured: Quantities) -> bool:
        return all(a < b for a, b in itertools.pairwise(means(measured, self.quantity)))

    def reverse(self) -> Criterion:
        return Falls(self.quantity, self.over)


@dataclass(frozen=True)
class Always(Reversible):
    """A quantity that is true or false for each seed is true for all."""

    quantity: str

    def __str__(self) -> str:
        return f"{self.quantity}, each time"

    def holds(self, measured: Quantities) -> bool:
        return all(numbers(measured, self.quantity))

    def reverse(self) -> Criterion:
        return Never(self.quantity)


@dataclass(frozen=True)
class Never(Reversible):
    """A quantity that is true or false for each seed is true for none."""

    quantity: str

    def __str__(self) -> str:
        return f"{self.quantity}, not once"

    def holds(self, measured: Quantities) -> bool:
        return not any(numbers(measured, self.quantity))

    def reverse(self) -> Criterion:
        return Always(self.quantity)


@dataclass(frozen=True)
class Paired(Reversible):
    """The mean of the seeds' differences is above (sign 1) or below (sign -1) 0 by over `errors` standard errors."""

    quantity: str
    errors: float = 2.0
    sign: Literal[1, -1] = 1

    def __str__(self) -> str:
        side = "above" if self.sign > 0 else "below"
        return f"{self.quantity} {side} 0 by over {self.errors:g} standard errors of the paired difference"

    def holds(self, measured: Quantities) -> bool:
        differences = numbers(measured, self.quantity)
        return self.sign * mean(differences) > self.errors * standard_error(differences)

    def reverse(self) -> Criterion:
        return Paired(self.quantity, self.errors, -1 if self.sign > 0 else 1)


def numbers(measured: Quantities, quantity: str) -> list[float]:
    """All numbers of a quantity; raises ValueError if there are none."""
    if quantity not in measured or not (listed := list(_flat(measured[quantity]))):
        raise ValueError(f"nothing was measured of {quantity!r}; measured: {', '.join(measured)}")
    return listed


def chosen(measured: Quantities, quantity: str, each: bool) -> list[float]:
    """The mean of a quantity's numbers, or all of them if `each`; a nan among them makes the mean nan, which fails."""
    listed = numbers(measured, quantity)
    if each:
        return listed
    return [math.nan if any(map(math.isnan, listed)) else mean(listed)]


def means(measured: Quantities, quantity: str) -> list[float]:
    """The mean of each entry of a quantity; raises ValueError for fewer than two entries."""
    entries = measured.get(quantity, ())
    entries = list(entries.values() if isinstance(entries, Mapping) else entries)
    if len(entries) < 2:
        raise ValueError(f"{quantity!r} has {len(entries)} entries; allowed: at least 2")
    return [mean(_flat(entry)) for entry in entries]


def _each(each: bool) -> str:
    return ", each one" if each else ""


def _flat(value: Any) -> Sequence[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    return [v for item in value for v in _flat(item)] if isinstance(value, list | tuple) else [value]

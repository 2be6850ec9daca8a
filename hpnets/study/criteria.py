"""What counts as seeing a statement: objects that write their own text and decide the verdict.

A criterion speaks of quantities by name; `measured` holds them: a number, or a list or mapping of numbers, such as one
a seed, whose mean is meant, or every one with `each`. Above("gain", 1).contradicted_if_reversed() reads "gain above 1;
contradicted if gain below 1".
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
    """Something that holds of measured quantities or does not; `str` of it is the text on the page."""

    @abstractmethod
    def holds(self, measured: Quantities) -> bool:
        """Whether the quantities are as asked; ValueError if one was not measured."""

    def decide(self, measured: Quantities) -> Verdict:
        """The verdict on a claim with this criterion."""
        return "reproduced" if self.holds(measured) else "not reproduced"

    def __and__(self, other: "Criterion") -> "Criterion":
        return Both(self, other)

    def contradicted_if(self, contrary: "Criterion") -> "Criterion":
        """The same, and a contrary case that decides "contradicted"."""
        return Opposed(self, contrary)


class Reversible(Criterion):
    """A criterion whose contrary case is its own reverse."""

    @abstractmethod
    def reverse(self) -> Criterion:
        """The opposite finding, at the same threshold."""

    def contradicted_if_reversed(self) -> Criterion:
        """The same, and its reverse decides "contradicted"."""
        return Opposed(self, self.reverse())


@dataclass(frozen=True)
class Both(Criterion):
    """Both hold."""

    one: Criterion
    other: Criterion

    def __str__(self) -> str:
        return f"{self.one}, and {self.other}"

    def holds(self, measured: Quantities) -> bool:
        return self.one.holds(measured) and self.other.holds(measured)


@dataclass(frozen=True)
class Opposed(Criterion):
    """`criterion` holds; where it does not, and `contrary` does, the claim is contradicted."""

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
    """quantity > bound, of the mean or of each."""

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
    """quantity < bound, of the mean or of each."""

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
    """low <= quantity <= high, of the mean or of each."""

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
    """The mean of a quantity is below that of another divided by `factor`; the reverse: the other is below this one."""

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
    """The means of the quantity's entries, in their order, fall."""

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
    """The means of the quantity's entries, in their order, rise."""

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
    """A statement that is true or false of each seed, true of all."""

    quantity: str

    def __str__(self) -> str:
        return f"{self.quantity}, each time"

    def holds(self, measured: Quantities) -> bool:
        return all(numbers(measured, self.quantity))

    def reverse(self) -> Criterion:
        return Never(self.quantity)


@dataclass(frozen=True)
class Never(Reversible):
    """A statement that is true or false of each seed, true of none."""

    quantity: str

    def __str__(self) -> str:
        return f"{self.quantity}, not once"

    def holds(self, measured: Quantities) -> bool:
        return not any(numbers(measured, self.quantity))

    def reverse(self) -> Criterion:
        return Always(self.quantity)


@dataclass(frozen=True)
class Paired(Reversible):
    """The mean of differences, one a seed, is above (sign 1) or below (sign -1) 0 by over `errors` standard errors."""

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
    """All numbers of a quantity; ValueError if there are none."""
    if quantity not in measured or not (listed := list(_flat(measured[quantity]))):
        raise ValueError(f"nothing was measured of {quantity!r}; measured: {', '.join(measured)}")
    return listed


def chosen(measured: Quantities, quantity: str, each: bool) -> list[float]:
    """The mean of a quantity's numbers, or all of them; nan, of which nothing holds, where one is no number."""
    listed = numbers(measured, quantity)
    if each:
        return listed
    return [math.nan if any(map(math.isnan, listed)) else mean(listed)]


def means(measured: Quantities, quantity: str) -> list[float]:
    """The mean of each entry of a quantity; ValueError for fewer than two entries."""
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

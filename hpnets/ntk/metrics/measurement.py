"""The metrics by name: numbers of one measurement of a kernel in training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from hpnets.linalg import Spectrum
from hpnets.registry import Registry


@dataclass(frozen=True)
class Measurement:
    """One measurement: the kernel now, at the start, and at the last measurement (None: this is the first).

    steps: training steps since the last measurement. spectrum: all eigenvalues of k_t. targets: Y (N, O), one-hot
    for classes; needed by the metrics that compare with labels. rank_bound: as for `lambda_extremes`.
    """

    k_t: Tensor
    k_0: Tensor
    k_last: Tensor | None
    steps: int
    spectrum: Spectrum
    rank_bound: int
    targets: Tensor | None = None

    @property
    def y(self) -> Tensor:
        """The targets; ValueError without them."""
        if self.targets is None:
            raise ValueError("targets is None; allowed: (N, O), for a metric that compares with labels")
        return self.targets


@dataclass(frozen=True)
class Metric:
    """A number of a measurement, and whether it can be computed with given targets."""

    value: Callable[[Measurement], float]
    possible: Callable[[Tensor | None], bool]


F = TypeVar("F", bound=Callable[..., Any])
_METRICS: Registry[Metric] = Registry("metric")
METRICS = _METRICS.entries


def register_metric(
    name: str,
    reads: Callable[[Measurement], tuple[Any, ...]] | None = None,
    part: Callable[[Any], float] | None = None,
    possible: Callable[[Tensor | None], bool] | None = None,
) -> Callable[[F], F]:
    """Decorator: enter a function as the metric `name`, its value being part(function(*reads(measurement))).

    reads: the function's arguments, by default the measurement itself. part: the number in what it returns, by default
    all of it. possible: whether the metric exists with these targets (None: there are none), by default with any.
    Raises ValueError for a taken name.
    """

    def enter(function: F) -> F:
        def value(m: Measurement) -> float:
            result = function(*(reads(m) if reads else (m,)))
            return part(result) if part else result

        _METRICS.register(name)(Metric(value, possible or (lambda targets: True)))
        return function

    return enter


def check_whole(spectrum: Spectrum) -> None:
    """ValueError unless every eigenvalue of the kernel is there."""
    if len(spectrum.eigenvalues) < spectrum.rows:
        raise ValueError(f"the spectrum holds {len(spectrum.eigenvalues)} of {spectrum.rows} eigenvalues; allowed: all")


def check_metrics(names: Iterable[str]) -> list[str]:
    """The names as a list; ValueError for one that METRICS does not have."""
    names = list(names)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics has {', '.join(map(repr, unknown))}; allowed: {', '.join(METRICS)}")
    return names


def available_metrics(targets: Tensor | None) -> list[str]:
    """The metrics that exist with these targets: those that compare with labels need some, and the right ones."""
    return [name for name, metric in METRICS.items() if metric.possible(targets)]


def measure(measurement: Measurement, names: Iterable[str]) -> dict[str, float]:
    """The metrics of METRICS asked for, by name; ValueError for an unknown name or a spectrum of the largest few."""
    names = check_metrics(names)
    check_whole(measurement.spectrum)
    return {name: METRICS[name].value(measurement) for name in names}

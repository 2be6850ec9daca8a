"""The metrics by name: numbers of one measurement of a kernel in training."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from torch import Tensor, nn

from hpnets.linalg import Eigenvalues, eigenvalues
from hpnets.ntk.metrics.centring import centred_kernel
from hpnets.registry import Registry


@dataclass(frozen=True)
class Measurement:
    """One measurement: the kernel now, at the start, and at the last measurement (None: this is the first).

    steps: training steps since the last measurement. spectrum: all eigenvalues of k_t. targets: Y (N, O), one-hot
    for classes; needed by the metrics that compare with labels. rank_bound: as for `lambda_extremes`. net, x: the
    network in eval mode, and the inputs (N, ...) of the kernel; params: the parameters that the kernel is of, by name,
    None for all. The metrics that take steps need them. results: what metrics have computed so far.
    """

    k_t: Tensor
    k_0: Tensor
    k_last: Tensor | None
    steps: int
    spectrum: Eigenvalues
    rank_bound: int
    targets: Tensor | None = None
    net: nn.Module | None = None
    x: Tensor | None = None
    params: Mapping[str, Tensor] | None = None
    results: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def centred(self) -> "Measurement":
        """The same of the kernels without the mean direction, which have a sample less; without targets."""
        k_t, k_0 = centred_kernel(self.k_t), centred_kernel(self.k_0)
        k_last = None if self.k_last is None else centred_kernel(self.k_last)
        return replace(self, k_t=k_t, k_0=k_0, k_last=k_last, spectrum=eigenvalues(k_t), targets=None)

    @property
    def y(self) -> Tensor:
        """The targets; ValueError without them."""
        if self.targets is None:
            raise ValueError("targets is None; allowed: (N, O), for a metric that compares with labels")
        return self.targets


@dataclass(frozen=True)
class Metric:
    """A number of a measurement, whether it can be computed with given targets, and whether it is so unasked."""

    value: Callable[[Measurement], float]
    possible: Callable[[Tensor | None], bool]
    by_default: bool = True


F = TypeVar("F", bound=Callable[..., Any])
_METRICS: Registry[Metric] = Registry("metric")
METRICS = _METRICS.entries


def register_metric(
    name: str,
    reads: Callable[[Measurement], tuple[Any, ...]] | None = None,
    part: Callable[[Any], float] | None = None,
    possible: Callable[[Tensor | None], bool] | None = None,
    by_default: bool = True,
) -> Callable[[F], F]:
    """Decorator: enter a function as the metric `name`, its value being part(function(*reads(measurement))).

    reads: the function's arguments, by default the measurement itself. part: the number in what it returns, by default
    all of it. possible: whether the metric exists with these targets (None: there are none), by default with any.
    by_default: whether it is measured where nobody names metrics. A function with several names runs once. Raises
    ValueError for a taken name.
    """

    def enter(function: F) -> F:
        def value(m: Measurement) -> float:
            key = (function, reads)
            if key not in m.results:
                m.results[key] = function(*(reads(m) if reads else (m,)))
            result = m.results[key]
            return part(result) if part else result

        _METRICS.register(name)(Metric(value, possible or (lambda targets: True), by_default))
        return function

    return enter


def check_whole(spectrum: Eigenvalues) -> None:
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


def check_possible(names: Iterable[str], targets: Tensor | None) -> list[str]:
    """`check_metrics`; ValueError too for a name that does not exist with these targets."""
    names = check_metrics(names)
    wrong = [name for name in names if not METRICS[name].possible(targets)]
    if wrong:
        given = "there are none" if targets is None else f"these are {tuple(targets.shape)}"
        raise ValueError(
            f"metrics has {', '.join(map(repr, wrong))}, which compare with targets: {given}; allowed: targets, "
            "one-hot of two classes or more for elasticities, or other metrics"
        )
    return names


def available_metrics(targets: Tensor | None) -> list[str]:
    """The metrics that are measured by default and exist with these targets: some compare with labels."""
    return [name for name, metric in METRICS.items() if metric.by_default and metric.possible(targets)]


def measure(measurement: Measurement, names: Iterable[str]) -> dict[str, float]:
    """The metrics of METRICS asked for, by name; ValueError for an unknown name or a spectrum of the largest few."""
    names = check_metrics(names)
    check_whole(measurement.spectrum)
    return {name: METRICS[name].value(measurement) for name in names}

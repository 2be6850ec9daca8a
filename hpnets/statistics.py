"""Numbers over seeds as text and as slopes: one of each, for studies, recipes and reports. Imports no torch."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

# The median, of even counts the mean of the middle two.
median = statistics.median


def mean(values: Iterable[float]) -> float:
    """The mean; inf where a value is not finite, so that a fit that diverged is never the better one."""
    listed = list(values)
    return statistics.fmean(listed) if all(map(math.isfinite, listed)) else math.inf


def deviation(values: Sequence[float]) -> float:
    """The standard deviation (n - 1) of values, 0 of a single one."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean, deviation / sqrt(n)."""
    return deviation(values) / len(values) ** 0.5


def root_mean_square(values: Iterable[float]) -> float:
    """sqrt(mean v^2)."""
    return statistics.fmean(v * v for v in values) ** 0.5


def number(value: float, form: str) -> str:
    """The value in a format, but 10 in place of 1e+01 where it is below 100,000."""
    text = f"{value:{form}}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e5 else text


def plus_minus(middle: float, width: float, form: str = ".3g", width_form: str = ".1g") -> str:
    """ "middle +- width", each in its own number format."""
    return f"{number(middle, form)} +- {number(width, width_form)}"


def spread(values: Sequence[float], form: str = ".3g", width_form: str = ".1g") -> str:
    """ "mean +- standard deviation" of the finite values; the others are counted beside it, not averaged."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return "diverged"
    lost = f" ({len(values) - len(finite)} of {len(values)} diverged)" if len(finite) < len(values) else ""
    return plus_minus(statistics.fmean(finite), deviation(finite), form, width_form) + lost


def spreads(*columns: Sequence[float], form: str = ".2g") -> str:
    """The spreads of several lists, "a +- b / c +- d"."""
    return " / ".join(spread(values, form) for values in columns)


def estimate(values: Sequence[float], form: str = ".2f") -> str:
    """ "mean +- standard error (standard error)"."""
    return f"{plus_minus(statistics.fmean(values), standard_error(values), form, '.2g')} (standard error)"


def half_width(std: float, n: int, freedom: float | None = None) -> float:
    """Half of the 95% interval of a mean of n normal values, t(0.975, n - 1) std / sqrt(n) (Student).

    freedom: other degrees of freedom than n - 1.
    """
    from scipy.special import stdtrit  # late: this module is imported for --help

    return float(stdtrit(n - 1 if freedom is None else freedom, 0.975)) * std / n**0.5


def told_apart(one: Mapping[str, float], other: Mapping[str, float], n: int) -> bool:
    """Whether two means, {"mean", "std"} of n values each, differ by more than their 95% interval (Welch)."""
    parts = [side["std"] ** 2 / n for side in (one, other)]
    both, difference = sum(parts), abs(one["mean"] - other["mean"])
    if both == 0:
        return difference > 0
    freedom = both**2 * (n - 1) / sum(part**2 for part in parts)
    return difference > half_width((n * both) ** 0.5, n, freedom)


def mean_std(values: Sequence[float | None]) -> dict[str, float] | None:
    """{"mean", "std"} of values, at least two; None where one is missing or not finite."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if not finite or len(finite) < len(values):
        return None
    return {"mean": statistics.mean(finite), "std": statistics.stdev(finite)}


def middle(values: Sequence[float], form: str = ".2g") -> str:
    """ "median (least - greatest)", for values that a mean and a standard deviation would not describe."""
    least, greatest = (number(end(values), form) for end in (min, max))
    return f"{number(median(values), form)} ({least} - {greatest})"


def log_slope(x: Iterable[float], y: Iterable[float]) -> float:
    """The exponent of a power law: the least-squares slope of log y over log x."""
    return statistics.linear_regression([math.log(v) for v in x], [math.log(v) for v in y]).slope


def half_time(times: Sequence[float], curve: Sequence[float]) -> float:
    """The first time at which |curve| is down to 1/2, between the points of the grid on its log scale; inf if never."""
    for i, value in enumerate(curve):
        if abs(value) <= 0.5:
            if i == 0:
                return times[0]
            share = (abs(curve[i - 1]) - 0.5) / (abs(curve[i - 1]) - abs(value))
            return times[i - 1] * (times[i] / times[i - 1]) ** share
    return math.inf


def mean_slope(numbers: Mapping[int, Sequence[float]]) -> float:
    """The log-log slope of the mean of each entry over its key."""
    return log_slope(numbers, map(statistics.fmean, numbers.values()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, a text a cell; a | within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

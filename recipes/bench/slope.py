"""The exponent of a power law."""

import math
import statistics
from collections.abc import Iterable


def log_slope(x: Iterable[float], y: Iterable[float]) -> float:
    """Least-squares slope of log y over log x."""
    return statistics.linear_regression([math.log(v) for v in x], [math.log(v) for v in y]).slope

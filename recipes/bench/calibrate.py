"""The constants of the engine's cost model are measured on this machine."""

import statistics
import time
from typing import Any

import torch

from recipes.bench.rates import RATES, SECONDS, Rate
from recipes.bench.table import number, table
from recipes.bench.worker import limit_threads
from recipes.checks.processes import Tell, outcomes

DTYPES = {"float32": torch.float32, "float64": torch.float64}
# The seconds that calls of one rate take in all; the least and the most calls; the size of a trial run.
TIME, LEAST, MOST, TRIAL = 1.0, 3, 30, 1 / 16
LIMIT = 300.0

ABOUT = (
    "What the cost model of the kernel engine (`hpnets/ntk/_cost_model.py`) assumes of a machine, measured on one: the "
    "median over the calls of a second, at least three (least - greatest), after one untimed call, in a process of its "
    "own. `constants` in the json are the medians."
)
Calibration = dict[str, Any]


def calibration(threads: int, quick: bool) -> Calibration:
    """{"constants": {dtype: {name: value}}, "spread": {dtype: {name: [least, greatest]}}}, in SI units."""
    size = TRIAL if quick else 1.0
    ((_, record),) = outcomes(measure_all, [(threads, size)], LIMIT)
    if "ended" in record:
        raise ValueError(f"the measurement was not finished: {record['ended']}")
    return record


def measure_all(task: tuple[int, float], tell: Tell) -> None:
    """Measure all rates for each dtype, and tell them."""
    threads, size = task
    limit_threads(threads)
    torch.set_num_threads(threads)
    values = {dtype: {rate.name: measure(rate, DTYPES[dtype], size) for rate in RATES} for dtype in DTYPES}
    constants = {dtype: {name: statistics.median(v) for name, v in rates.items()} for dtype, rates in values.items()}
    spread = {dtype: {name: [min(v), max(v)] for name, v in rates.items()} for dtype, rates in values.items()}
    tell({"constants": constants, "spread": spread})


def measure(rate: Rate, dtype: torch.dtype, size: float) -> list[float]:
    """The rate that each call shows, in its unit."""
    torch.manual_seed(0)
    call, amount = rate.make(dtype, size)
    call()
    times: list[float] = []
    while len(times) < LEAST or (sum(times) < TIME * size and len(times) < MOST):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return [t / amount if rate.unit == SECONDS else amount / t for t in times]


def calibration_table(results: Calibration) -> str:
    """A table with a row for each constant and a column for each dtype."""
    rows = [[f"`{rate.name}`", rate.about, *(cell(results, dtype, rate) for dtype in DTYPES)] for rate in RATES]
    return table(("constant", "measured on", *DTYPES), rows)


def cell(results: Calibration, dtype: str, rate: Rate) -> str:
    """A rate as median (least - greatest), in 10^9 a second or in microseconds."""
    factor, unit = (1e6, "us") if rate.unit == SECONDS else (1e-9, f"G{rate.unit}")
    values = results["constants"][dtype][rate.name], *results["spread"][dtype][rate.name]
    middle, low, high = (number(factor * value) for value in values)
    return f"{middle} {unit} ({low} - {high})"

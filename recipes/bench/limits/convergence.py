"""The convergence of finite networks' kernels to their limit: the error over width, and its slope."""

import math
import time
from typing import Any

import torch

from hpnets.statistics import log_slope, plus_minus, root_mean_square
from hpnets.statistics import table as markdown
from hpnets.theory import limit_kernel, ntk_parametrised_kernel
from recipes.bench.limits.cases import CASES, OUTPUTS, WIDTHS, Case

ABOUT = (
    "For each family: |K_m - K| / |K| (Frobenius), K_m the kernel of the network of width m in the NTK "
    "parametrisation (`ntk_parametrised_kernel`, the mean over 4 outputs), K its limit (`limit_kernel`), on 4 normal "
    "points times the scale shown: the root mean square over the seeds, its standard error by the jackknife, and the "
    "least-squares slope of log error over log m. Theory: -1/2. Seeds are 16 wherever 8 leave the slope a "
    "standard error above 0.1. Every layer grows with m: the mapping networks of film and style_classifier too, and in "
    "linear_attention the heads, of 4 channels each. The stem of the residual nets is drawn with the variance 2 / "
    "fan_out, a gain of 2 channels / m: with points times sqrt(m/m0), m0 the "
    "family's own width, the limit is the same at every m, but for torch's default biases (the read-out's, "
    "se_resnet's gate's), of variance 1 / (3 fan_in)."
)
BAND = (-0.65, -0.35)


def error(case: Case, width: int, seed: int) -> float:
    """|K_m - K| / |K| for one network of width m."""
    net, x = case.build(width, seed), case.points(width=width)
    K = limit_kernel(net, x).ntk
    K_m = ntk_parametrised_kernel(net, x, outputs="trace") / OUTPUTS
    return float((K_m - K).norm() / K.norm())


def slope(errors: dict[str, list[float]]) -> float:
    """The slope of log root-mean-square error over log width."""
    return log_slope([float(width) for width in errors], [root_mean_square(e) for e in errors.values()])


def jackknife(errors: dict[str, list[float]]) -> float:
    """The slope's standard error by the jackknife, which leaves out one seed at a time."""
    n = len(next(iter(errors.values())))
    if n < 2:
        return math.nan
    left = [slope({width: e[:i] + e[i + 1 :] for width, e in errors.items()}) for i in range(n)]
    mean = sum(left) / n
    return math.sqrt((n - 1) / n * sum((s - mean) ** 2 for s in left))


def measure(name: str, seeds: int | None = None, widths: tuple[int, ...] = ()) -> dict[str, Any]:
    """The errors by width and seed, their slope and its standard error; None means the family's own number of seeds."""
    case, start = CASES[name], time.time()
    torch.set_num_threads(1)
    chosen = widths or case.widths or WIDTHS[case.shape]
    errors = {str(width): [error(case, width, seed) for seed in range(seeds or case.seeds)] for width in chosen}
    options = ", ".join(f"{key} {value}" for key, value in case.options.items())
    return {
        "options": options,
        "points": case.points_scale,
        "errors": errors,
        "slope": slope(errors),
        "slope_error": jackknife(errors),
        "seconds": time.time() - start,
    }


def table(measured: dict[str, Any]) -> str:
    """A table with a row for each family: the points' scale, seeds, errors at the least and greatest width, slope."""
    head = ("family", "options", "points times", "seeds", "m", "error", "m", "error", "slope", "in [-0.65, -0.35]")
    rows = []
    for name, one in measured.items():
        (first, *_, last), errors = list(one["errors"]), one["errors"]
        inside = "yes" if BAND[0] <= one["slope"] <= BAND[1] else "no"
        ends = [text for m in (first, last) for text in (m, f"{root_mean_square(errors[m]):.3f}")]
        exponent = plus_minus(one["slope"], one["slope_error"], ".2f", ".2f")
        rows.append((name, one["options"], str(one["points"]), str(len(errors[first])), *ends, exponent, inside))
    return markdown(head, rows)

"""The growth of time and memory with samples, outputs and width, and kernels of 10,000 samples."""

from dataclasses import replace
from typing import Any

from hpnets.statistics import log_slope, median
from recipes.bench.measure import alone
from recipes.bench.process import Worker
from recipes.bench.settings import Settings

BUDGET = "128MiB"
AXES: dict[str, dict[str, tuple[int, ...]]] = {
    "mlp": {"N": (128, 256, 512, 1024, 2048), "O": (4, 8, 16, 32), "width": (128, 256, 512, 1024)},
    "ccp": {"N": (128, 256, 512, 1024, 2048), "O": (4, 8, 16, 32), "width": (128, 256, 512, 1024)},
    "conv": {"N": (16, 32, 64, 128)},
}
QUICK: dict[str, dict[str, tuple[int, ...]]] = {"ccp": {"N": (4, 8, 12, 16), "O": (2, 4)}}
OPTION = {"O": "outputs", "width": "width"}
LARGE = 10_000


def run_growth(s: Settings) -> dict[str, Any]:
    """The sizes, seconds, bytes beyond the kernel itself and log-log slope of the seconds, by network and axis."""
    from recipes.bench.cases import CASES

    measured: dict[str, Any] = {}
    for name, axes in (QUICK if s.quick else AXES).items():
        samples = CASES[name].quick if s.quick else CASES[name].samples
        for axis, sizes in axes.items():
            points = [point(name, axis, size, samples, s) for size in sizes]
            slope = log_slope([float(p["size"]) for p in points], [p["median"] for p in points])
            measured[f"{name} {axis}"] = {"net": name, "axis": axis, "budget": BUDGET, "slope": slope, "points": points}
            print(f"  growth of {name} in {axis}: slope {slope:.2f}", flush=True)
    return measured


def point(name: str, axis: str, size: int, samples: int, s: Settings) -> dict[str, Any]:
    """The measurement of one size of one axis; the other axes are as in the case."""
    options = {OPTION[axis]: size} if axis in OPTION else {}
    job = replace(s.job(name, size if axis == "N" else samples, options), memory=BUDGET)
    measured = alone("ours.kernel", job, replace(s, repeats=min(3, s.repeats)))
    return {"size": size, **measured, "beyond_bytes": measured["peak_bytes"] - measured["kernel_bytes"]}


def run_large(name: str, s: Settings) -> dict[str, Any]:
    """The measurement of the CCP's trace kernel of 10,000 noisy digits, or of its 20 largest eigenvalues ("top20")."""
    samples = 64 if s.quick else LARGE
    job = s.job("ccp", samples, digits=True)
    module = "ours.kernel" if name == "trace10k" else "ours.eigenvalues"
    with Worker(module, replace(job, outputs="trace" if name == "trace10k" else "full")) as worker:
        first = worker.call(s.folder / "large.npy")
        again = [] if first["seconds"] > 20 else [worker.seconds() for _ in range(min(3, s.repeats))]
        times = again or [first["seconds"]]
        about = worker.about
        if name == "top20":
            about |= eigen(s)
    print(f"  {name}: {min(times):.3g} s", flush=True)
    return {"samples": samples, **about, "peak_bytes": first["peak_bytes"], "seconds": times, "median": median(times)}


def eigen(s: Settings) -> dict[str, Any]:
    """The worker's saved results: eigenvalues, their largest residual, and how many products were made."""
    import numpy as np

    values = np.load(s.folder / "large.npy")
    return {
        "eigenvalues": values[0].tolist(),
        "largest_residual": float(values[1].max()),
        "products": int(values[2, 0]),
    }

"""curves.svg, one picture of a run over time."""

import math
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_tensors
from hpnets.report.run_record import Rows, read_rows
from hpnets.study.charts import save_svg

METRICS = {"accuracy": "accuracy", "mse": "mse", "psnr": "PSNR in dB", "frechet": "Frechet distance"}

SHARPNESS = [f"curvature/{name}" for name in ("sharpness", "sharpness_raw", "directional_sharpness", "threshold")]


def draw_curves(folder: Path) -> Path:
    """Draw loss, metric, drift and spectrum over time into curves.svg, from metrics.csv and ntk.safetensors.

    A run whose curvature was tracked gets a third row: sharpness with the threshold of stability, and its parts.
    Raises ValueError if the folder holds no metrics.csv.
    """
    rows = read_metrics(folder / "metrics.csv")
    number = 3 if any(key.startswith("curvature/") for key in _keys(rows)) else 2
    figure = _figure(number)
    (loss, metric), (drift, spectrum), *more = figure.subplots(number, 2)
    _curves(loss, rows, ["train/loss", "train/critic_loss", "val/loss"], "loss", log=True)
    name = next((n for n in METRICS if f"val/{n}" in _keys(rows)), "accuracy")
    _curves(metric, rows, [f"val/{name}"], METRICS[name], log=name in ("mse", "frechet"))
    _curves(drift, rows, ["ntk/drift", "ntk/cosine_drift"], "kernel drift from initialisation", log=True)
    _spectrum(spectrum, folder / "ntk.safetensors")
    for sharpness, share in more:
        sharpness.margins(y=0.4)  # room for the legend of four curves
        _curves(sharpness, rows, SHARPNESS, "sharpness", log=True)
        _curves(share, rows, ["curvature/gauss_newton_share"], "Gauss-Newton share of the sharpness", log=False)
    figure.suptitle(folder.name, parse_math=False)
    path = folder / "curves.svg"
    save_svg(figure, path)
    return path


def _figure(rows: int) -> Any:
    """A figure with place for rows of two axes; matplotlib's own layouts take longer than all of the drawing."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    height = 3.5 * rows
    figure = Figure(figsize=(10, height))
    FigureCanvasSVG(figure)
    figure.subplots_adjust(0.08, 0.5 / height, 0.98, 1 - 0.75 / height, hspace=0.32, wspace=0.22)
    return figure


def read_metrics(path: Path) -> Rows:
    """The rows of metrics.csv, each with the values that it has; raises ValueError if the file is missing."""
    if not path.is_file():
        raise ValueError(f"no such file: {path.absolute()}")
    return read_rows(path)


def _keys(rows: Rows) -> set[str]:
    return {key for row in rows for key in row}


def _curves(axes: Any, rows: Rows, names: list[str], title: str, log: bool) -> None:
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row and _drawable(row[name], log)]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, marker="o" if len(points) < 60 else None, markersize=3)
    if log and axes.lines:
        axes.set_yscale("log")
    if axes.lines:
        axes.legend(frameon=False)
    axes.set(title=title, xlabel="step")
    axes.grid(alpha=0.3)


def _drawable(value: float, log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not log)


def _spectrum(axes: Any, path: Path) -> None:
    axes.set(title="kernel spectrum", xlabel="rank", ylabel="eigenvalue")
    if not path.is_file():
        axes.text(0.5, 0.5, "kernel not tracked", ha="center", transform=axes.transAxes)
        return
    import matplotlib

    track = read_tensors(path)
    steps, spectra = track["steps"].tolist(), track["spectra"].clamp_min(0)
    shown = sorted({round(i * (len(steps) - 1) / 5) for i in range(6)})
    for colour, i in zip(
        matplotlib.colormaps["viridis"](range(0, 256, 255 // max(1, len(shown) - 1))), shown, strict=False
    ):
        positive = spectra[i][spectra[i] > spectra[i].max() * 1e-10]
        axes.loglog(range(1, len(positive) + 1), positive, color=colour, label=f"step {steps[i]}")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)

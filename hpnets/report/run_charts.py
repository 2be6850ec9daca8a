"""Pictures of one run: its curves, its spectra over time, its kernels, and what it predicts."""

from typing import Any

import numpy as np
from markupsafe import Markup

from hpnets.report.inline_svg import inline_svg, panels
from hpnets.report.run_record import RunRecord
from hpnets.study.charts import categories, shades, without_marker

Array = np.ndarray[Any, Any]
TIMES = 6  # how many spectra of a run are drawn
CLASSES = 30  # a confusion matrix of more classes is not drawn


def draw_run(run: RunRecord) -> Markup:
    """The curves of a run over its steps, with one picture for each thing that it logged; "" where it has none."""
    return panels(
        _draw_curves(run, f"curve-{i}", title, keys) for i, (title, keys) in enumerate(logged(run).items(), 1)
    )


def logged(run: RunRecord) -> dict[str, list[str]]:
    """What a run logged: the columns of metrics.csv that belong on one picture, by its title."""
    named: dict[str, tuple[str, ...]] = {f"val {run.metric}": (f"val/{run.metric}", f"val/robust_{run.metric}")}
    named["loss"] = ("train/loss", "train/critic_loss", "val/loss")
    named["kernel drift from step 0"] = ("ntk/drift", "ntk/cosine_drift")
    named["effective rank of the kernel"] = ("ntk/effective_rank",)
    named["curvature of the loss"] = tuple(sorted(key for key in run.columns if key.startswith("curvature/")))
    if len(set(run.curve("lr")[1])) > 1:
        named["learning rate"] = ("lr",)
    kept = {title: [key for key in keys if run.curve(key)[0]] for title, keys in named.items()}
    return {title: keys for title, keys in kept.items() if keys}


def _draw_curves(run: RunRecord, name: str, title: str, keys: list[str]) -> Markup:
    curves = {key: run.curve(key) for key in keys}

    def draw(axes: Any) -> None:
        for (key, (steps, values)), style in zip(curves.items(), categories(keys).values(), strict=True):
            style = style if len(steps) < 40 else without_marker(style)
            axes.plot(steps, values, label=key, **{**style, "markersize": 3})
        _finish(axes, title, "step", log=_spans_decades([v for _, values in curves.values() for v in values]))

    text = "; ".join(f"{key} goes from {values[0]:.3g} to {values[-1]:.3g}" for key, (_, values) in curves.items())
    return inline_svg(name, f"{title} over the steps", text, draw)


def draw_spectra(run: RunRecord) -> Markup:
    """The kernel's eigenvalues by rank at up to six steps, raw and divided by the trace; "" without a track."""
    if not len(run.track.get("steps", ())) or "spectra" not in run.track:
        return Markup("")
    return panels(_draw_spectra(run, name) for name in ("eigenvalue", "eigenvalue / trace"))


def _draw_spectra(run: RunRecord, title: str) -> Markup:
    steps, spectra = run.track["steps"], run.track["spectra"]
    if title != "eigenvalue":
        spectra = spectra / spectra.sum(1, keepdims=True)
    chosen = sorted({round(i * (len(steps) - 1) / (TIMES - 1)) for i in range(TIMES)})
    start, stop, exponent = (run.last(f"ntk/decay_{n}") for n in ("window_start", "window_stop", "exponent"))

    def draw(axes: Any) -> None:
        for i, style in shades(chosen).items():
            values = spectra[i][spectra[i] > 1e-10 * spectra[i].max()]
            axes.plot(range(1, len(values) + 1), values, label=f"step {int(steps[i])}", **without_marker(style))
        if start and stop:
            axes.axvspan(start, stop, color="gray", alpha=0.15, lw=0, label="window of the fit")
        axes.set_xscale("log")
        _finish(axes, title, "rank", log=True)

    decay = f", falling as rank^-{exponent:.2f} in the grey window" if exponent else ""
    text = f"The largest goes from {spectra[0].max():.3g} to {spectra[-1].max():.3g}{decay}."
    return inline_svg(f"spectra-{'raw' if title == 'eigenvalue' else 'normalised'}", f"{title} by rank", text, draw)


def draw_kernels(run: RunRecord) -> Markup:
    """The kernel's first and last matrix, samples sorted by class with the classes' borders; "" without one."""
    kernels = {name: run.track.get(f"kernel_{name}") for name in ("first", "last")}
    return panels(_draw_kernel(run, name, traced(k)) for name, k in kernels.items() if k is not None and k.size)


def _draw_kernel(run: RunRecord, name: str, kernel: Array) -> Markup:
    order, borders = sorted_by_class(run, len(kernel))
    scale = np.sqrt(np.maximum(np.diag(kernel), np.finfo(float).tiny))
    cosine = (kernel / np.outer(scale, scale))[np.ix_(order, order)]

    def draw(axes: Any) -> None:
        image = axes.imshow(cosine, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        for border in borders:
            axes.axhline(border - 0.5, color="gray", lw=0.5)
            axes.axvline(border - 0.5, color="gray", lw=0.5)
        axes.set(title=f"{name} measurement", xlabel="probe sample, by class", ylabel="probe sample, by class")
        axes.figure.colorbar(image, ax=axes, label="K / sqrt(diagonal)", shrink=0.8)

    return inline_svg(f"kernel-{name}", f"Kernel, {name}", f"Its mean cosine is {cosine.mean():.3f}.", draw)


def draw_predictions(run: RunRecord) -> Markup:
    """The confusion matrix of classes, or predictions over targets of a regression; "" without predictions."""
    outputs, targets = run.predictions.get("outputs"), run.predictions.get("targets")
    if outputs is None or targets is None or not len(outputs):
        return Markup("")
    if not (targets.ndim == 1 and outputs.ndim == 2 and outputs.shape[1] > 1):
        return _draw_regression(np.ravel(outputs), np.ravel(targets))
    return _draw_confusion(outputs, targets) if outputs.shape[1] <= CLASSES else Markup("")


def _draw_regression(outputs: Array, targets: Array) -> Markup:
    def draw(axes: Any) -> None:
        axes.plot(targets, outputs, ".", ms=2, color="tab:blue")
        _finish(axes, "test samples", "target")
        axes.set_ylabel("prediction")

    return inline_svg("predictions", "Predictions over targets", f"{len(targets)} values of the test split.", draw)


def _draw_confusion(outputs: Array, targets: Array) -> Markup:
    counts = confusion(outputs, targets)

    def draw(axes: Any) -> None:
        axes.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        for i, j in zip(*np.nonzero(counts), strict=True):
            colour = "#ffffff" if counts[i, j] > 0.5 * counts[i].sum() else "#111111"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=6, color=colour)
        axes.set(title="test samples", xlabel="predicted class", ylabel="class")

    right = f"{(outputs.argmax(1) == targets).mean():.4f} of {len(targets)} test samples are classified rightly."
    return inline_svg("predictions", "Classes and predicted classes", right, draw)


def confusion(outputs: Array, targets: Array) -> Array:
    """The counts (classes, classes): rows by class, columns by predicted class."""
    counts = np.zeros((outputs.shape[1],) * 2, dtype=int)
    np.add.at(counts, (targets.astype(int), outputs.argmax(1)), 1)
    return counts


def traced(kernel: Array) -> Array:
    """A kernel (N, N, O, O) or (N, N) as (N, N): its trace over the outputs."""
    return np.einsum("ijoo->ij", kernel) if kernel.ndim == 4 else kernel


def sorted_by_class(run: RunRecord, samples: int) -> tuple[Array, list[int]]:
    """The probe's samples sorted by class, and where the classes begin; as they are where there are no classes."""
    y = run.probe.get("y")
    if y is None or y.ndim != 2 or y.shape[1] < 2 or len(y) != samples:
        return np.arange(samples), []
    labels = y.argmax(1)
    order = np.argsort(labels, kind="stable")
    return order, [int(i) for i in np.nonzero(np.diff(labels[order]))[0] + 1]


def _spans_decades(values: list[float]) -> bool:
    return min(values) > 0 and max(values) > 20 * min(values)


def _finish(axes: Any, title: str, xlabel: str, log: bool = False) -> None:
    axes.set(title=title, xlabel=xlabel)
    if log:
        axes.set_yscale("log")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=7)
    axes.grid(alpha=0.3)

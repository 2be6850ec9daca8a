"""Pictures of samples: what the kernel's top eigenvectors tell apart on the probe set, and the worst test samples."""

from typing import Any

import numpy as np
from markupsafe import Markup

from hpnets.report.inline_svg import inline_svg, panels
from hpnets.report.run_charts import sorted_by_class, traced
from hpnets.report.run_record import RunRecord

VECTORS, EXTREMES = 4, 5  # eigenvectors drawn; samples at each end of one
WORST = 8
STRIP, PICTURE = (5.0, 0.95), (1.8, 1.9)  # inches
Array = np.ndarray[Any, Any]


def draw_eigenvectors(run: RunRecord) -> Markup:
    """The last kernel's top eigenvectors: the probe pictures at both ends of each, or its entries by class.

    "" without a kernel.
    """
    kernel = run.track.get("kernel_last")
    if kernel is None or not kernel.size:
        return Markup("")
    values, vectors = np.linalg.eigh(traced(kernel).astype(np.float64))
    shares = values / max(values.sum(), np.finfo(float).tiny)
    return panels(
        _draw_eigenvector(run, rank, float(shares[-rank]), vectors[:, -rank])
        for rank in range(1, min(VECTORS, len(values)) + 1)
    )


def _draw_eigenvector(run: RunRecord, rank: int, share: float, vector: Array) -> Markup:
    x = run.probe.get("x")
    pictures = as_pictures(x) if x is not None and len(x) == len(vector) else None
    order, borders = sorted_by_class(run, len(vector))
    name, title = f"eigenvector-{rank}", f"eigenvector {rank}: {share:.1%} of the trace"
    if pictures is None:
        return inline_svg(name, title, "Its entries.", lambda axes: _entries(axes, vector[order], borders, title))
    ends = np.argsort(vector)
    shown = pictures[np.concatenate([ends[: -EXTREMES - 1 : -1], ends[:EXTREMES]])]
    text = "The probe samples with the five greatest, then with the five least entries."
    return inline_svg(name, title, text, lambda axes: _strip(axes, shown, title), STRIP)


def worst_samples(run: RunRecord) -> list[dict[str, Any]]:
    """The test samples of the greatest cross-entropy, worst first: row, class, predicted class, p of its class.

    [] for what does not classify.
    """
    outputs, targets = run.predictions.get("outputs"), run.predictions.get("targets")
    if outputs is None or targets is None or targets.ndim != 1 or outputs.ndim != 2 or outputs.shape[1] < 2:
        return []
    shifted = outputs.astype(np.float64) - outputs.max(1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    own = logarithms[np.arange(len(targets)), targets.astype(int)]
    rows, said = run.predictions.get("rows", np.arange(len(targets))), outputs.argmax(1)
    return [
        {"row": int(rows[i]), "class": int(targets[i]), "predicted": int(said[i]), "p": float(np.exp(own[i]))}
        for i in np.argsort(own, kind="stable")[:WORST]
    ]


def draw_samples(inputs: Array, titles: list[str]) -> Markup:
    """The pictures (n, 1 or 3, H, W) of samples, each with a title; "" for inputs that are no pictures."""
    pictures = as_pictures(inputs)
    if pictures is None:
        return Markup("")
    return panels(
        _draw_sample(f"worst-{i}", picture, title)
        for i, (picture, title) in enumerate(zip(pictures, titles, strict=True))
    )


def _draw_sample(name: str, picture: Array, title: str) -> Markup:
    return inline_svg(name, title, "A test sample.", lambda axes: _strip(axes, picture[None], title), PICTURE)


def as_pictures(x: Array) -> Array | None:
    """Inputs (N, 1 or 3, H, W) as (N, H, W, 3) in [0, 1], each picture over its own range; None for other shapes."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        return None
    low, high = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    scaled = (x - low) / np.maximum(high - low, np.finfo(np.float32).tiny)
    return np.repeat(scaled, 3 // x.shape[1], axis=1).transpose(0, 2, 3, 1)


def _strip(axes: Any, pictures: Array, title: str) -> None:
    gap = np.ones((pictures.shape[1], 1, 3))
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    axes.imshow(np.concatenate(parts, axis=1), interpolation="nearest")
    axes.set_title(title, fontsize=8)
    axes.axis("off")


def _entries(axes: Any, entries: Array, borders: list[int], title: str) -> None:
    axes.bar(range(len(entries)), entries, width=1.0, color="tab:blue")
    for border in borders:
        axes.axvline(border - 0.5, color="gray", lw=0.5)
    axes.set(title=title, xlabel="probe sample, by class", ylabel="entry")

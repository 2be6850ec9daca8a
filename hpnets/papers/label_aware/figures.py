"""Tables and pictures of the study of label-aware kernels."""

from functools import partial
from typing import Any

from hpnets.papers.label_aware.cells import hierarchy
from hpnets.papers.label_aware.claims import at_best, by_r
from hpnets.papers.label_aware.sizes import STRENGTHS, Sizes
from hpnets.papers.parts.elastic_nets import trained
from hpnets.statistics import mean, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import categories, seeds_and_mean


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    of = {"ratio": "local elasticity", "accuracy": "test accuracy", "negative": "share of negative eigenvalues"}
    table = [
        (name, f"{r:g}", *(spread(by_r(results, key)[name][r]) for key in of))
        for name in by_r(results, "ratio")
        for r in STRENGTHS
    ]
    keys = ("cosine", "error", "moved", "linearised", "hierarchy", "disagreement")
    measures: dict[str, tuple[str, ...]] = {key: (key,) for key in keys}
    columns, rows = min(2, len(sizes.trained_pairs)), -(-len(sizes.trained_pairs) // 2)
    return [
        Figure(
            "K + r Z",
            "Ratio over test images; accuracy of the positive part, its ridge chosen on validation.",
            ("kernel, pair", "r", *of.values()),
            tuple(table),
            Picture("regression.svg", "K + r Z", partial(draw_regression, results), 2),
        ),
        Figure(
            "The hierarchy",
            "Of the kernel's change dK: cosine and relative error; moved: |dK| / |K|; of f on other images: errors of "
            "the fixed kernel and of the hierarchy's; disagreement: second derivative of K against its difference.",
            *spread_table(results.of(hierarchy), ("pair", "width"), measures),
            Picture("hierarchy.svg", "The hierarchy over width", partial(draw_hierarchy, results), 2),
        ),
        Figure(
            "Trained networks",
            "At the rate that validation chose. s, d: means of K_ij / (K_ii K_jj)^1/2 over pairs of one class, of two.",
            *trained_table(results),
            Picture(
                "trained.svg",
                "Elasticity from start to end, which is marked",
                partial(draw_trained, results, sizes),
                columns,
                rows,
            ),
        ),
    ]


def trained_table(results: Results) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each network and pair."""
    head = (
        "network",
        "pair",
        "lr",
        "accuracy",
        "ratio, start",
        "ratio, end",
        "s, end",
        "d, end",
        "ratio of steps, end",
    )
    rows = []
    for network, pair in results.of(trained).split("network", "pair"):
        of = at_best(results, network, pair)
        paths = [("start", "kernel", "ratio"), ("end", "kernel", "ratio"), ("end", "kernel", "same")]
        paths += [("end", "kernel", "different"), ("end", "step", "ratio")]
        numbers = [spread(of.values("accuracy")), *(spread(of.values(*path)) for path in paths)]
        rows.append((network, pair, f"{of.items[0].options['lr']:g}", *numbers))
    return head, tuple(rows)


def draw_regression(results: Results, axes: list[Any]) -> None:
    labels = {"ratio": "ratio of local elasticity", "accuracy": "accuracy less that of r = 0"}
    for a, (key, label) in zip(axes, labels.items(), strict=True):
        of = by_r(results, key)
        for name, style in categories(list(of)).items():
            less = mean(of[name][0.0]) if key == "accuracy" else 0.0
            a.plot(range(len(STRENGTHS)), [mean(of[name][r]) - less for r in STRENGTHS], label=name, **style)
        a.set_xticks(range(len(STRENGTHS)), [f"{r:g}" for r in STRENGTHS])
        a.set(xlabel="r, in units of the kernel's mean diagonal", ylabel=label)


def draw_hierarchy(results: Results, axes: list[Any]) -> None:
    of = results.of(hierarchy).split("pair")
    for pair, style in categories(list(of)).items():
        seeds_and_mean(axes[0], of[pair].by("width", "error"), pair, style)
        seeds_and_mean(axes[1], {w: [1 - c for c in v] for w, v in of[pair].by("width", "cosine").items()}, pair, style)
    for a, label in zip(axes, ("|dK - dK trained| / |dK trained|", "1 - cosine(dK, dK trained)"), strict=True):
        a.set(xlabel="width", ylabel=label, yscale="log")


def draw_trained(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    """s over d, a line for each network from its start to its end, which is marked; means of the seeds."""
    for a, pair in zip(axes, sizes.trained_pairs, strict=False):
        networks = list(results.of(trained, pair=pair).split("network"))
        for network, style in categories(networks).items():
            of = at_best(results, network, pair)
            ends = [[mean(of.values(at, "kernel", part)) for part in ("different", "same")] for at in ("start", "end")]
            line = {**style, "linestyle": "-", "markersize": 7, "markevery": [1]}
            a.plot(*zip(*ends, strict=True), label=network, **line)
        a.set(title=pair, xlabel="d, mean similarity of two classes", ylabel="s, of one class")

"""Tables and pictures of the study of robust features."""

from functools import partial
from typing import Any

from hpnets.papers.feature_machines import GROUPS, group_means
from hpnets.papers.robust_features.cells import agreement, by_kernels, machine, maps, moved
from hpnets.papers.robust_features.claims import best_runs
from hpnets.papers.robust_features.sizes import Sizes, twin_of
from hpnets.statistics import mean, spread
from hpnets.study import Figure, Picture, Results, spread_table
from hpnets.study.charts import band, categories

WHOLE = {f"{key}, {part}": (way, key) for way, part in (("whole", "all"), ("top", "top 20"))
         for key in ("clean", "noise", "robust")}  # fmt: skip
MASSES = {"top-20 mass": ("mass",), "centred": ("centred mass",)}
KERNELS = {"clean": ("clean",), "noise": ("noise",), "attack on its limit kernel": ("ntk",), "pgd": ("white",)}
FEATURES = """Accuracy and margin (mean y f / |f|) under attack, by the rank of the feature, means of 5 in each group. \
A feature that always says one class has accuracy 1/2 under attack, and no margin."""
MAPS = """The mean gradient y df_i/dx over test samples (red raises y f, blue lowers it), of the top features and of \
the most useful of those that attacks break; the limit kernel of mlp-relu."""


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    many, count = len(sizes.data), len(sizes.products)
    ranks = Picture("ranks.svg", "Features under attack", partial(draw_ranks, results, sizes), many)
    tracks = Picture("training.svg", "Networks in training", partial(draw_training, results, sizes), count)
    kernels = Picture("kernels.svg", "Kernels in training", partial(draw_moves, results, sizes), 2)
    shown = Picture("maps.svg", "What features look at", partial(draw_maps, results), 3, rows=2)
    columns = {"mass": ("mass", -1), "centred mass": ("centred mass", -1), "distance": ("distance", -1)}
    columns |= {"centred distance": ("centred distance", -1), "clean": ("clean",), "robust": ("robust",)}
    end = spread_table(results.of(moved), ("network", "adversarial"), columns, ".2g")
    text = f"Test accuracy, clean and under pgd, epoch by epoch, each at its best rate; {sizes.first}."
    by = ("network", "width", "data")
    return [
        Figure("Features by rank", FEATURES, *feature_rows(results), ranks),
        Figure(
            "Machines", "All features, and the top 20.", *spread_table(results.of(machine), by, WHOLE | MASSES, ".2g")
        ),
        Figure("Features as pictures", f"{MAPS} Data: {sizes.first}.", picture=shown),
        Figure(
            "Architectures", "Kernels of networks at their start, means over data and seeds.", *shared_rows(results)
        ),
        Figure("Networks", "Under attack.", *spread_table(results.of(by_kernels), ("network", "data"), KERNELS, ".2g")),
        Figure("Products and their twins", text, picture=tracks),
        Figure("Kernels that move", f"On {sizes.first}, at the end.", *end, kernels),
    ]


def feature_rows(results: Results) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each kernel and data: robust accuracy and margin of each group."""
    rows = []
    for (network, width, data), of in results.of(machine).split("network", "width", "data").items():
        cells = [f"{by_group(of, 'robust')[g]:.2f} ({by_group(of, 'robust margin')[g]:+.2f})" for g in GROUPS]
        rows.append((network, str(width or "limit"), data, *cells))
    return ("network", "width", "data", *GROUPS), tuple(rows)


def by_group(of: Results, key: str) -> dict[str, float]:
    """The mean of a number by group, over features and seeds."""
    each = [group_means(r.at("groups"), key) for r in of]
    return {name: mean(row[name] for row in each) for name in GROUPS}


def shared_rows(results: Results) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each two kernels."""
    of, rows = results.of(agreement), []
    for pair in of.items[0].at("overlap"):
        one, other = pair.split(", ")
        attacked = (of.values("attacked", f"{a} by {b}") for a, b in ((one, other), (other, one)))
        plain = (of.values(key, pair) for key in ("overlap", "centred overlap"))
        rows.append((one, other, *(spread(v, ".2g") for v in (*plain, of.values("chance"), *attacked))))
    head = (
        "one",
        "other",
        "overlap of the top 20",
        "centred",
        "by chance",
        "one, other's attack",
        "other, one's attack",
    )
    return head, tuple(rows)


def draw_ranks(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, data in zip(axes, sizes.data, strict=True):
        parts = results.of(machine, data=data).split("network", "width")
        for ((network, width), of), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
            values = by_group(of, "robust")
            a.plot(range(len(GROUPS)), values.values(), label=f"{network}, {width or 'limit'}", **style)
        a.set_xticks(range(len(GROUPS)), list(GROUPS))
        a.set(title=data, xlabel="rank of the eigenvalue", ylabel="accuracy under attack", ylim=(-0.02, 0.62))


def draw_training(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    for a, product in zip(axes, sizes.products, strict=True):
        styles = categories([f"{name}, {key}" for name in (product, twin_of(product)) for key in ("clean", "robust")])
        for label, style in styles.items():
            name, key = label.split(", ")
            of = best_runs(results, name, sizes.first)
            band(a, sizes.epochs, of.values(key), label, style)
        a.set(title=product, xlabel="epoch", ylabel="test accuracy", ylim=(0, 1))


def draw_moves(results: Results, sizes: Sizes, axes: list[Any]) -> None:
    epochs = [0, *sizes.moved_epochs]
    parts = results.of(moved).split("network", "adversarial")
    for ((network, adversarial), of), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
        label = f"{network}{', adversarial' if adversarial else ''}"
        for a, key in zip(axes, ("centred mass", "centred radius"), strict=True):
            band(a, epochs, of.values(key), label, style)
    axes[0].set(title="concentration", xlabel="epoch", ylabel="top-20 mass of HKH")
    axes[1].set(title="polar radius", xlabel="epoch", ylabel="|K_t - K_0| / |K_T - K_0| of HKH")


def draw_maps(results: Results, axes: list[Any]) -> None:
    for a, row in zip(axes, results.of(maps).one("shown"), strict=False):
        a.imshow(row["map"], cmap="RdBu_r", vmin=-1, vmax=1)
        title = f"rank {row['rank']}: margin {row['margin']:.2f},\naccuracy attacked {row['robust']:.2f}"
        a.set(title=title, xlabel="column, pixels", ylabel="row, pixels")

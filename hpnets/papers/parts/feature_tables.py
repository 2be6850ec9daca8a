"""Tables and pictures of features by rank; results are of cells with "groups", as `by_rank` makes them."""

from typing import Any

from hpnets.papers.parts.feature_machines import GROUPS
from hpnets.statistics import mean
from hpnets.study import Results
from hpnets.study.charts import categories


def group_means(of: Results, key: str) -> dict[str, float]:
    """The mean of a number by group, over features and seeds."""
    cells = [r.at("groups") for r in of]
    return {name: mean(v for cell in cells for v in cell[name][key]) for name in GROUPS if name in cells[0]}


def feature_rows(of_machines: Results) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each kernel and data: robust accuracy and margin of each group."""
    rows = []
    for (network, width, data), of in of_machines.split("network", "width", "data").items():
        robust, margin = (group_means(of, key) for key in ("robust", "robust margin"))
        cells = [f"{robust[g]:.2f} ({margin[g]:+.2f})" if g in robust else "-" for g in GROUPS]
        rows.append((network, str(width or "limit"), data, *cells))
    return ("network", "width", "data", *GROUPS), tuple(rows)


def draw_ranks(of_machines: Results, axes: list[Any]) -> None:
    for a, (data, part) in zip(axes, of_machines.split("data").items(), strict=True):
        parts = part.split("network", "width")
        for ((network, width), of), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
            values = group_means(of, "robust")
            a.plot(range(len(values)), values.values(), label=f"{network}, {width or 'limit'}", **style)
        a.set_xticks(range(len(GROUPS)), list(GROUPS))
        a.set(title=data, xlabel="rank of the eigenvalue", ylabel="accuracy under attack", ylim=(-0.02, 0.62))


def draw_maps(shown: list[dict[str, Any]], axes: list[Any]) -> None:
    for a, row in zip(axes, shown, strict=False):
        a.imshow(row["map"], cmap="RdBu_r", vmin=-1, vmax=1)
        title = f"rank {row['rank']}: margin {row['margin']:.2f},\naccuracy attacked {row['robust']:.2f}"
        a.set(title=title, xlabel="column, pixels", ylabel="row, pixels")

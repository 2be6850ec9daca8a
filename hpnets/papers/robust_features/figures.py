"""Tables and pictures of the study of robust features."""

from functools import partial

from hpnets.papers.parts.equal_accuracy import draw_sides
from hpnets.papers.parts.feature_agreement import shared_rows
from hpnets.papers.parts.feature_tables import draw_maps, draw_ranks, feature_rows
from hpnets.papers.parts.robust_training import draw_kernels
from hpnets.papers.robust_features.cells import agreement, by_kernels, machine, maps, moved, trained
from hpnets.papers.robust_features.sizes import Sizes, twin_of
from hpnets.study import Figure, Picture, Results, spread_table

Columns = dict[str, tuple[str | int, ...]]
WAYS = (("whole", "all"), ("top", "top 20"))
MACHINES: Columns = {f"{key}, {of}": (way, key) for way, of in WAYS for key in ("clean", "noise", "robust")}
MACHINES |= {"top-20 mass": ("mass",), "centred": ("centred mass",)}
KERNELS: Columns = {"clean": ("clean",), "noise": ("noise",), "attack on its limit kernel": ("ntk",), "pgd": ("white",)}
FEATURES = """Accuracy and margin (mean y f / |f|) under attack, by the rank of the feature, means of 5 in each group. \
A feature that always says one class has accuracy 1/2 under attack, and no margin."""
MAPS = """The mean gradient y df_i/dx over test samples (red raises y f, blue lowers it), of the top features and of \
the most useful of those that attacks break; the limit kernel of mlp-relu."""


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    sides = [
        {name: results.of(trained, network=name, data=sizes.first) for name in (product, twin_of(product))}
        for product in sizes.products
    ]
    many, count = len(sizes.data), len(sizes.products)
    ranks = Picture("ranks.svg", "Features under attack", partial(draw_ranks, results.of(machine)), many)
    tracks = Picture("training.svg", "Networks in training", partial(draw_sides, sides), count)
    kernels = Picture(
        "kernels.svg", "Kernels in training", partial(draw_kernels, results.of(moved), sizes.moved_epochs), 2
    )
    shown = Picture("maps.svg", "What features look at", partial(draw_maps, results.of(maps).one("shown")), 3, rows=2)
    tracked = ("mass", "centred mass", "distance", "centred distance")
    columns: Columns = {**{key: (key, -1) for key in tracked}, "clean": ("clean",), "robust": ("robust",)}
    end = spread_table(results.of(moved), ("network", "adversarial"), columns, ".2g")
    text = f"Test accuracy, clean and under pgd, epoch by epoch, each at its best rate; {sizes.first}."
    by, shared = ("network", "width", "data"), "Networks at their start: overlap of the top 20, and accuracy."
    machines = spread_table(results.of(machine), by, MACHINES, ".2g")
    under = spread_table(results.of(by_kernels), ("network", "data"), KERNELS, ".2g")
    return [
        Figure("Features by rank", FEATURES, *feature_rows(results.of(machine)), ranks),
        Figure("Machines", "All features, and the top 20.", *machines),
        Figure("Features as pictures", f"{MAPS} Data: {sizes.first}.", picture=shown),
        Figure(
            "Architectures",
            shared,
            *shared_rows(results.of(agreement)),
        ),
        Figure("Networks", "Under attack.", *under),
        Figure("Products and their twins", text, picture=tracks),
        Figure("Kernels that move", f"On {sizes.first}, at the end.", *end, kernels),
    ]

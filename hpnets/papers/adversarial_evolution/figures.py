"""Tables and pictures of the study of kernels under adversarial training."""

from functools import partial

from hpnets.papers.adversarial_evolution.sizes import Sizes
from hpnets.papers.parts.attacked_evolution import OVER, draw_epochs, draw_frozen, evolve
from hpnets.papers.parts.attacked_training import ATTACKED, CLEAN, DYNAMICS
from hpnets.study import Figure, Picture, Results, spread_table

NAMES = ("clean", "robust", "distance", "c-distance", "rank", "c-rank", "alignment")


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    conv = results.of(evolve, network="conv", task=sizes.task)
    epochs = Picture("epochs.svg", "conv over the epochs", partial(draw_epochs, conv, sizes.measured), len(OVER))
    kernels = Picture("frozen.svg", "Kernels of conv, frozen after t epochs", partial(draw_frozen, conv), 1)
    by = ("task", "network", "lr")
    tables = [
        spread_table(results.of(evolve), by, {name: (on, "last", name) for name in NAMES}) for on in (CLEAN, ATTACKED)
    ]
    ways = {way: ("frozen", str(sizes.epochs), way, "robust") for way in DYNAMICS}
    last = [r for r in results.of(evolve, epochs=sizes.epochs) if r.options["frozen"]]
    learnt = [
        spread_table(Results(tuple(last)), by, {way: (on, *path) for way, path in ways.items()})
        for on in (CLEAN, ATTACKED)
    ]
    return [
        Figure("Over the epochs", "Bands from the least to the greatest seed.", picture=epochs),
        Figure("After clean training", "At the last epoch.", *tables[0]),
        Figure("After attacked training", "At the last epoch.", *tables[1]),
        Figure("Frozen kernels", "Accuracy under attack after centred training on clean images.", picture=kernels),
        Figure("On kernels of clean training", "Accuracy under attack, by what is trained on what.", *learnt[0]),
        Figure("On kernels of attacked training", "The same.", *learnt[1]),
    ]

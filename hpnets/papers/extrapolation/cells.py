"""Cells of the extrapolation study; each trains the networks of all seeds at once."""

from functools import partial
from typing import Any

from hpnets.papers.extrapolation.sizes import Sizes
from hpnets.papers.parts.boxes import box_data, errors, fit_boxes, polynomials
from hpnets.papers.parts.data import stacked
from hpnets.papers.parts.digit_sums import fit_pairs, pair_data
from hpnets.papers.parts.ensembles import Make, fit, make_ensemble
from hpnets.papers.parts.networks import build
from hpnets.papers.parts.sectors import fit_ring
from hpnets.study import Cell, grid

Measured = dict[str, Any]
# In one dimension "quadratic" is "square".
SCALAR = ["cubic", "cos2x", "linear", "l1", "sqrt", "square", "cos"]
ANY_DIMENSION = ["linear", "quadratic", "l1", "sqrt", "square", "cos"]
DRAWN = ("cubic", "cos2x")
# The paper's own networks in one dimension, of width 1, by target; Adam's rate as stated, and one that learns.
STATED, STATED_LR, FASTER_LR = {"cubic": "ccp-3", "cos2x": "ccp-10"}, 1e-4, 1e-2
STATED_POINTS, STATED_BATCH = 2048, 512
SECTORS = {"linear": ("mlp", "pnn-2"), "quadratic": ("mlp", "pnn-2", "ccp-2")}
# Adam's, by family: weights of the NTK parametrisation are of order one, those of the others 1 / sqrt(fan_in).
LEARNING_RATES = {"mlp": 1e-3, "ccp": 1e-3, "pnn1": 1e-2}


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, in their order."""
    seeds = list(range(sizes.seeds))
    same = {"seeds": seeds, "width": sizes.width, "steps": sizes.steps}
    one, box = {"dim": 1, "points": sizes.points, **same}, {"dim": sizes.dims, "points": sizes.box_points, **same}
    made = grid(fit_lines, network=sizes.line_networks, targets=SCALAR, **one)
    made += grid(fit_lines, network=sizes.helix_networks, targets=["helix"], **one)
    made += grid(fit_lines, network=sizes.box_networks, targets=ANY_DIMENSION, **box)
    made += grid(polynomials, targets=SCALAR, seeds=seeds, points=sizes.points)
    for target, network in STATED.items():
        first, last, stated = sizes.paper_epochs[0], sizes.paper_epochs[-1], {"target": target, "seeds": seeds}
        made += grid(paper_setting, network=network, width=1, epochs=sizes.paper_epochs, lr=STATED_LR, **stated)
        made += grid(paper_setting, network="mlp", width=sizes.paper_mlp_width, epochs=first, lr=STATED_LR, **stated)
        made += grid(paper_setting, network=network, width=1, epochs=last, lr=FASTER_LR, **stated)
    for target, networks in SECTORS.items():
        ring = {"target": target, "missing": sizes.sectors, "points": sizes.points, **same}
        made += grid(missing_sector, network=networks, **ring)
    sums = {"width": sizes.sum_width, "pairs": sizes.pairs, "steps": sizes.sum_steps, "mnist": sizes.mnist}
    return made + grid(fit_sums, fold=sizes.folds, network=sizes.sum_networks, seeds=seeds, **sums)


def fit_lines(network: str, targets: list[str], dim: int, width: int, **options: Any) -> Measured:
    """Fit targets of one output size on their boxes; by target, see `fit_boxes`."""
    # pnn-N is homogeneous, so 0 at x = 0: it cannot learn a constant.
    centred, drawn = not network.startswith("pnn-"), DRAWN if dim == 1 else ()

    def make(outputs: int) -> Make:
        return partial(build, network, dim, outputs, width)

    return fit_boxes(make, targets, dim, centred=centred, drawn=drawn, **options)


def paper_setting(
    network: str, target: str, seeds: list[int], width: int, epochs: int, lr: float, device: str
) -> Measured:
    """Adam at a constant rate, weight decay 1e-3, on x and y as they are: relative errors before and after."""
    data = [box_data(target, 1, seed, STATED_POINTS, in_units=False) for seed in seeds]
    x, y, *tests = stacked(data, device)
    ensemble = make_ensemble(partial(build, network, 1, 1, width), seeds, device)
    before, steps = errors(ensemble, tests)["inside"], epochs * STATED_POINTS // STATED_BATCH
    fit(ensemble, x, y, steps, lr, weight_decay=1e-3, batch=STATED_BATCH, constant_lr=True)
    return {"before": before, **errors(ensemble, tests)}


def missing_sector(network: str, width: int, **options: Any) -> Measured:
    """Train on a ring without a sector; see `fit_ring`."""
    return fit_ring(partial(build, network, 2, 1, width), **options)


def fit_sums(
    network: str, fold: str, seeds: list[int], width: int, pairs: int, steps: int, mnist: str | None, device: str
) -> Measured:
    """Train on pairs of digits and their sums; see `fit_pairs`."""
    data = pair_data(fold, seeds, pairs, mnist, device)
    make = partial(build, network, data[0].shape[2], 1, width)
    return fit_pairs(make, data, seeds, steps, LEARNING_RATES[network.split("-")[0]])

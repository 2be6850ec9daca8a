"""All cells of the extrapolation study, in order."""

from hpnets.papers.extrapolation.arithmetic import fit_sums
from hpnets.papers.extrapolation.lines import fit_lines, missing_sector, paper_setting, polynomials
from hpnets.papers.extrapolation.sizes import Sizes
from hpnets.study import Cell, grid

# In one dimension "quadratic" is "square".
SCALAR = ["cubic", "cos2x", "linear", "l1", "sqrt", "square", "cos"]
ANY_DIMENSION = ["linear", "quadratic", "l1", "sqrt", "square", "cos"]
# The paper's own networks in one dimension, of width 1, by target; Adam's rate as stated, and one that learns.
STATED, STATED_LR, FASTER_LR = {"cubic": "ccp-3", "cos2x": "ccp-10"}, 1e-4, 1e-2
SECTORS = {"linear": ("mlp", "pnn-2"), "quadratic": ("mlp", "pnn-2", "ccp-2")}


def cells(sizes: Sizes) -> list[Cell]:
    """The cells; each trains all seeds at once."""
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

"""What networks with Hadamard products do outside their data: python recipes/papers/extrapolation.py --quick

Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product" (arXiv 2209.07736).
"""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.cli import Parser, run_main
from jsonargparse import auto_cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `recipes` is not installed

if TYPE_CHECKING:
    from recipes.papers.parts.study import Cell

TITLE = "Extrapolation of networks with Hadamard products"
ABOUT = """The first half of Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product"
(arXiv 2209.07736), measured on registered models. `mlp`: two hidden ReLU layers; `pnn-N`: the product of N ReLU
features of x, NTK-parametrised, hence homogeneous; `pnn1-N`: the same of (x, 1); `ccp-N`: the polynomial net of degree
N without activation; `-sum`: the additive twin, with + in place of the Hadamard product. Errors are RMSE / standard
deviation of y on the same points, so that 1 is what the best constant reaches. Unless said otherwise, training is
full-batch Adam, lr 0.01 falling to 0 as a half cosine, on x in units of half the training box and y standardised (for
`pnn-N`, which is 0 at 0, only scaled); float32, degrees outside measured in float64."""

# In one dimension "quadratic" is "square".
SCALAR = ["cubic", "cos2x", "linear", "l1", "sqrt", "square", "cos"]
ANY_DIMENSION = ["linear", "quadratic", "l1", "sqrt", "square", "cos"]


def twinned(*networks: str) -> tuple[str, ...]:
    """The networks, then their additive twins."""
    return *networks, *(f"{network}-sum" for network in networks)


@dataclass(frozen=True)
class Sizes:
    """How large the study is."""

    line_networks: tuple[str, ...] = (
        "mlp",
        *twinned("pnn-2", "pnn-3", "pnn1-2", "pnn1-3", "pnn1-4"),
        *twinned(*(f"ccp-{n}" for n in range(2, 11))),
    )
    helix_networks: tuple[str, ...] = ("mlp", *twinned("pnn1-3", "ccp-3", "ccp-10"))
    box_networks: tuple[str, ...] = ("mlp", *twinned("pnn-2", "pnn1-2", "ccp-2", "ccp-4"))
    dims: tuple[int, ...] = (2, 8)
    width: int = 64
    points: int = 128
    box_points: int = 256
    steps: int = 1000
    paper_epochs: tuple[int, ...] = (40, 1000)
    paper_mlp_width: int = 256
    sectors: tuple[int, ...] = (0, 90, 180)
    sum_networks: tuple[str, ...] = ("mlp", *twinned("pnn1-4", "ccp-4"))
    folds: tuple[str, ...] = ("low", "middle", "high")
    sum_width: int = 256
    pairs: int = 8192
    sum_steps: int = 600


QUICK = replace(
    Sizes(),
    line_networks=("mlp", "pnn-2", "pnn1-3", "pnn1-3-sum", "ccp-2", "ccp-3", "ccp-3-sum", "ccp-10", "ccp-10-sum"),
    box_networks=("mlp", "pnn-2", "ccp-2", "ccp-2-sum"),
    dims=(2,),
    width=32,
    points=64,
    box_points=128,
    steps=400,
    paper_epochs=(40,),
    sum_networks=("mlp", "pnn1-4", "pnn1-4-sum"),
    folds=("high",),
    sum_width=64,
    pairs=4096,
    sum_steps=200,
)


def extrapolation(
    out: str = "runs/extrapolation",
    quick: bool = False,
    seeds: int = 5,
    device: str = "auto",
    page: str | None = None,
    mnist: str | None = None,
    render: bool = False,
) -> None:
    """Fit named functions and sums of digits, measure outside, and say which statements of the paper were seen.

    Args:
        out: the run folder; cells that are finished in it are not computed again
        quick: small sizes, minutes
        seeds: of weights and data, from 0; at least 3
        device: auto, cpu or cuda
        page: folder to put README.md, results.json and pictures in, such as docs/results/papers/extrapolation
        mnist: folder with MNIST, for the sums, in place of scikit-learn's digits
        render: compute nothing; make claims, tables and pictures again from the results.json in `out`
    """
    from recipes.papers.parts.study import seeds_of, study_of

    study(study_of(out, device, render), QUICK if quick else Sizes(), seeds_of(seeds), page, mnist)


def study(where: Any, sizes: Sizes, seeds: list[int], page: str | None = None, mnist: str | None = None) -> None:
    """Compute all cells in the Study `where`, then claims, tables and pictures."""
    from recipes.papers.parts.extrapolation.claims import claims
    from recipes.papers.parts.extrapolation.tables import draw, sections
    from recipes.papers.parts.pages import write_results

    found = where.run(cells(sizes, seeds, mnist))
    if where.is_first:
        draw(where.out, found, sizes)
        about = f"{ABOUT}\n\nSizes: {', '.join(f'{k} {v}' for k, v in asdict(sizes).items() if isinstance(v, int))}."
        results = claims(found, sizes, len(seeds)), sections(found, sizes)
        into = where.out, Path(page) if page else None
        write_results(*into, TITLE, about, *results, found, where.seconds(), where.origin)


def cells(sizes: Sizes, seeds: list[int], mnist: str | None) -> list["Cell"]:
    """All cells of the study, in order."""
    from recipes.papers.parts.extrapolation.arithmetic import fit_sums
    from recipes.papers.parts.extrapolation.lines import fit_lines, missing_sector, paper_setting, polynomials
    from recipes.papers.parts.study import Cell

    def line(network: str, targets: list[str], dim: int, points: int) -> Cell:
        given = {"network": network, "targets": targets, "dim": dim, "seeds": seeds, "width": sizes.width}
        name = "helix" if targets == ["helix"] else f"line-{dim}"
        return Cell(f"{name}-{network}", fit_lines, given | {"points": points, "steps": sizes.steps})

    made = [line(network, SCALAR, 1, sizes.points) for network in sizes.line_networks]
    made += [line(network, ["helix"], 1, sizes.points) for network in sizes.helix_networks]
    made += [line(net, ANY_DIMENSION, dim, sizes.box_points) for dim in sizes.dims for net in sizes.box_networks]
    made.append(Cell("polynomials", polynomials, {"targets": SCALAR, "seeds": seeds, "points": sizes.points}))
    for target, degree in (("cubic", 3), ("cos2x", 10)):
        for epochs in sizes.paper_epochs:
            nets = {f"ccp-{degree}": 1} | ({"mlp": sizes.paper_mlp_width} if epochs == sizes.paper_epochs[0] else {})
            for network, width in nets.items():
                given = {"network": network, "target": target, "seeds": seeds, "width": width, "epochs": epochs}
                made.append(Cell(f"paper-{target}-{network}-{epochs}", paper_setting, given))
        given = {"network": f"ccp-{degree}", "target": target, "seeds": seeds, "width": 1}
        given |= {"epochs": sizes.paper_epochs[-1], "lr": 1e-2}
        made.append(Cell(f"fast-{target}-ccp-{degree}-{sizes.paper_epochs[-1]}", paper_setting, given))
    for target, networks in (("linear", ("mlp", "pnn-2")), ("quadratic", ("mlp", "pnn-2", "ccp-2"))):
        for network in networks:
            for sector in sizes.sectors:
                given = {"network": network, "target": target, "missing": sector, "seeds": seeds}
                given |= {"width": sizes.width, "points": sizes.points, "steps": sizes.steps}
                made.append(Cell(f"sector-{target}-{network}-{sector}", missing_sector, given))
    for fold in sizes.folds:
        for network in sizes.sum_networks:
            given = {"network": network, "fold": fold, "seeds": seeds, "width": sizes.sum_width}
            given |= {"pairs": sizes.pairs, "steps": sizes.sum_steps, "mnist": mnist}
            made.append(Cell(f"sums-{fold}-{network}", fit_sums, given))
    return made


if __name__ == "__main__":
    argv = [f"{word}=true" if word in ("--quick", "--render") else word for word in sys.argv[1:]]
    run_main(lambda: auto_cli(extrapolation, args=argv, parser_class=Parser, as_positional=False))

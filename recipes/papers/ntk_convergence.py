"""The kernel of a wide network, and training by it: python recipes/papers/ntk_convergence.py --quick

Jacot, Gabriel and Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks"
(arXiv 1806.07572).
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpnets.cli import Parser, run_main
from jsonargparse import auto_cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # `recipes` is not installed

if TYPE_CHECKING:
    from recipes.papers.parts.study import Cell

TITLE = "The neural tangent kernel at finite width"
ABOUT = """Jacot, Gabriel and Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks"
(arXiv 1806.07572), on its own network: depth 4, ReLU, NTK parametrisation, beta = 0.1. Kernels by `hpnets.ntk.ntk` and
`hpnets.theory.limit_kernel`, predictions by `hpnets.kernels.KernelPredictor`. In place of MNIST: scikit-learn's digits,
standardised."""


@dataclass(frozen=True)
class Sizes:
    """How large the study is."""

    init_widths: tuple[int, ...] = (100, 200, 500, 1000, 2000)
    init_seeds: int = 30
    widths: tuple[int, ...] = (100, 500, 2000)
    points: int = 32
    steps: int = 200
    four_widths: tuple[int, ...] = (50, 500)
    four_seeds: int = 10
    four_steps: int = 1000
    digit_widths: tuple[int, ...] = (100, 400, 1600)
    digit_seeds: int = 20
    samples: int = 256
    chosen: tuple[int, ...] = (1, 2, 3, 5)


QUICK = Sizes(
    init_widths=(50, 100, 200, 400),
    init_seeds=6,
    widths=(100, 200, 400),
    points=16,
    steps=100,
    four_widths=(50, 200),
    four_seeds=6,
    four_steps=300,
    digit_widths=(50, 200),
    digit_seeds=3,
    samples=128,
)


def ntk_convergence(
    out: str = "runs/ntk_convergence",
    quick: bool = False,
    seeds: int = 5,
    device: str = "auto",
    page: str | None = None,
    render: bool = False,
) -> None:
    """Kernels at initialisation and in training, and what they predict, over width; says which statements were seen.

    Args:
        out: the run folder; cells that are finished in it are not computed again
        quick: small sizes, minutes
        seeds: of networks that are trained, from 0; at least 3
        device: auto, cpu or cuda
        page: folder to put README.md, results.json and pictures in, such as docs/results/papers/ntk_convergence
        render: compute nothing; make claims, tables and pictures again from the results.json in `out`
    """
    from recipes.papers.parts.study import seeds_of, study_of

    study(study_of(out, device, render), QUICK if quick else Sizes(), seeds_of(seeds), page)


def study(where: Any, sizes: Sizes, seeds: list[int], page: str | None = None) -> None:
    """Compute all cells in the Study `where`, then claims, tables and pictures."""
    from recipes.papers.parts.convergence.claims import claims
    from recipes.papers.parts.convergence.tables import draw, sections
    from recipes.papers.parts.pages import write_results

    found = where.run(cells(sizes, seeds))
    if where.is_first:
        draw(where.out, found, sizes, seeds)
        results = claims(found, sizes, seeds), sections(found, sizes, seeds)
        into = where.out, Path(page) if page else None
        write_results(*into, TITLE, ABOUT, *results, found, where.seconds(), where.origin)


def cells(sizes: Sizes, seeds: list[int]) -> list["Cell"]:
    """All cells of the study, in order: one network each."""
    from recipes.papers.parts.convergence.kernels import (
        components,
        four_limit,
        four_points,
        initial_kernel,
        trained_kernel,
    )
    from recipes.papers.parts.study import Cell

    def each(name: str, compute: Any, widths: tuple[int, ...], of: list[int], **given: Any) -> list[Cell]:
        return [Cell(f"{name}-{w}-{s}", compute, {"width": w, "seed": s, **given}) for w in widths for s in of]

    four, digits = {"steps": sizes.four_steps}, {"samples": sizes.samples}
    draws = list(range(sizes.digit_seeds))
    made = each("init", initial_kernel, sizes.init_widths, list(range(sizes.init_seeds)))
    made += each("trained", trained_kernel, sizes.widths, seeds, points=sizes.points, steps=sizes.steps)
    made += each("four", four_points, sizes.four_widths, list(range(sizes.four_seeds)), **four)
    made += [Cell("four-limit", four_limit, four)]
    made += each("second", components, sizes.digit_widths, draws, chosen=[2], times=[0.25, 0.5, 1.0, 2.0], **digits)
    chosen = list(sizes.chosen)
    return made + each(
        "several", components, sizes.digit_widths, draws, chosen=chosen, times=[0.25, 0.5, 1.0], **digits
    )


if __name__ == "__main__":
    argv = [f"{word}=true" if word in ("--quick", "--render") else word for word in sys.argv[1:]]
    run_main(lambda: auto_cli(ntk_convergence, args=argv, parser_class=Parser, as_positional=False))

"""Which frequencies networks with Hadamard products learn first: python recipes/papers/spectral_bias.py --quick

Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product" (arXiv 2209.07736).
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

TITLE = "Spectral bias of networks with Hadamard products"


@dataclass(frozen=True)
class Sizes:
    """How large the study is; `paper_width`, d = 10 and `samples` are the paper's own setting."""

    degrees: tuple[int, ...] = (1, 3, 6, 9)
    spectrum_dims: tuple[int, ...] = (3, 5, 10)
    k_max: int = 128
    windows: tuple[tuple[int, int], ...] = ((4, 16), (16, 64), (64, 128))
    dims: tuple[int, ...] = (3, 10)
    samples: int = 1000
    width: int = 4096
    paper_width: int = 32768
    paper_degrees: tuple[int, ...] = (3, 9)
    net_widths: tuple[int, ...] = (512, 2048)
    net_degrees: tuple[int, ...] = (3, 9)
    net_steps: int = 100
    wide_steps: int = 15
    frequencies: tuple[int, ...] = (1, 4, 16)
    label_degrees: tuple[int, ...] = (1, 3, 9)
    label_width: int = 512
    label_samples: int = 400
    label_steps: int = 200


QUICK = Sizes(
    spectrum_dims=(3, 10),
    k_max=64,
    windows=((4, 16), (16, 64)),
    samples=300,
    width=512,
    paper_width=1024,
    net_widths=(128, 512),
    net_steps=50,
    wide_steps=5,
    frequencies=(1, 16),
    label_degrees=(1, 9),
    label_width=128,
    label_samples=200,
    label_steps=100,
)


def spectral_bias(
    out: str = "runs/spectral_bias",
    quick: bool = False,
    seeds: int = 3,
    device: str = "auto",
    page: str | None = None,
    render: bool = False,
) -> None:
    """Eigenvalues on the sphere, how long each harmonic takes to be learnt, and label noise on digits.

    Args:
        out: the run folder; cells that are finished in it are not computed again
        quick: small sizes, minutes
        seeds: of weights and data, from 0; at least 3
        device: auto, cpu or cuda
        page: folder to put README.md, results.json and pictures in, such as docs/results/papers/spectral_bias
        render: compute nothing; make claims, tables and pictures again from the results.json in `out`
    """
    from recipes.papers.parts.study import seeds_of, study_of

    study(study_of(out, device, render), QUICK if quick else Sizes(), seeds_of(seeds), page)


def study(where: Any, sizes: Sizes, seeds: list[int], page: str | None = None) -> None:
    """Compute all cells in the Study `where`, then claims, tables and pictures."""
    from recipes.papers.parts.pages import write_results
    from recipes.papers.parts.spectral.claims import claims
    from recipes.papers.parts.spectral.tables import draw, sections
    from recipes.papers.parts.spectral.text import about

    found = where.run(cells(sizes, seeds))
    if where.is_first:
        draw(where.out, found, sizes, seeds)
        results = claims(found, sizes, seeds), sections(found, sizes, seeds)
        into = where.out, Path(page) if page else None
        write_results(*into, TITLE, about(found, sizes), *results, found, where.seconds(), where.origin)


def cells(sizes: Sizes, seeds: list[int]) -> list["Cell"]:
    """All cells of the study, in order."""
    from recipes.papers.parts.spectral.harmonics import eigenvalues, label_noise, linear_training, network_training
    from recipes.papers.parts.study import Cell

    made = []
    for dim in sizes.spectrum_dims:
        for degree in sizes.degrees:
            given = {"dim": dim, "degree": degree, "k_max": sizes.k_max, "windows": [*map(list, sizes.windows)]}
            made.append(Cell(f"spectrum-{dim}-{degree}", eigenvalues, given))
    linear = [(dim, degree, sizes.width) for dim in sizes.dims for degree in sizes.degrees]
    linear += [(10, degree, sizes.paper_width) for degree in sizes.paper_degrees]
    networks = [(d, w, sizes.net_steps, 0.5) for d in sizes.net_degrees for w in sizes.net_widths]
    for seed in seeds:
        same = {"seed": seed, "samples": sizes.samples}
        for dim, degree, width in linear:
            given = {"dim": dim, "degree": degree, "width": width, **same}
            made.append(Cell(f"linear-{dim}-{degree}-{width}-{seed}", linear_training, given))
        for degree, width, steps, at_once in [*networks, (3, sizes.paper_width, sizes.wide_steps, 0.5)]:
            given = {"dim": 10, "degree": degree, "width": width, **same, "steps": steps, "at_once": at_once}
            made.append(Cell(f"network-{degree}-{width}-{seed}", network_training, given))
        labels = {"seed": seed, "width": sizes.label_width, "samples": sizes.label_samples, "at_once": 0.5}
        for degree in sizes.label_degrees:
            for k in sizes.frequencies:
                given = {"degree": degree, "frequency": k, **labels, "steps": sizes.label_steps}
                made.append(Cell(f"label-{degree}-{k}-{seed}", label_noise, given))
    return made


if __name__ == "__main__":
    argv = [f"{word}=true" if word in ("--quick", "--render") else word for word in sys.argv[1:]]
    run_main(lambda: auto_cli(spectral_bias, args=argv, parser_class=Parser, as_positional=False))

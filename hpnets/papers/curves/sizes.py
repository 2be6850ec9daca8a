"""How large the study of two curves is."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The full study; `seeds` of networks and of Fourier curves, `draws` of random points."""

    seeds: int = 5
    depths: tuple[int, ...] = (2, 5, 10, 20, 40, 80)
    degrees: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    fourier: tuple[int, ...] = (2, 5, 10, 20)
    points: int = 100
    few: int = 50
    draws: int = 20
    random_depths: tuple[int, ...] = (2, 5, 10, 20)
    random_degrees: tuple[int, ...] = (2, 4, 8, 16)
    random_fourier: tuple[int, ...] = (5, 10)
    widths: tuple[int, ...] = (64, 256, 1024)
    width: int = 256
    steps: int = 200
    rates: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 2.5)
    tuned_steps: int = 500


QUICK = replace(Sizes(), seeds=3, draws=6, points=60, few=30, widths=(64, 256), rates=(0.5, 1.0, 2.0), tuned_steps=200)
SMALL = replace(QUICK, depths=(2, 5, 20), degrees=(2, 4, 8, 32), fourier=(2, 10), points=24, few=12, draws=3, width=32)
TINY = replace(SMALL, random_depths=(2, 10), random_degrees=(4,), widths=(16, 32), steps=20, tuned_steps=10)

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
    irregular_depths: tuple[int, ...] = (2, 5, 10, 20)
    irregular_degrees: tuple[int, ...] = (2, 4, 8, 16, 32)
    widths: tuple[int, ...] = (64, 256, 1024)
    width: int = 256
    steps: int = 200
    rates: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0)
    tuned_steps: int = 1000


FEW = replace(Sizes(), seeds=3, fourier=(2, 10), draws=8, points=60, widths=(64, 256, 512))
QUICK = replace(FEW, width=128, rates=(0.25, 0.5, 1.0), tuned_steps=400)
LEAST = replace(QUICK, depths=(2, 5, 20), degrees=(2, 4, 16), points=24, few=12, draws=3, widths=(16, 32))
TINY = replace(LEAST, irregular_depths=(2, 10, 20), irregular_degrees=(2, 4, 16), width=16, steps=20, tuned_steps=20)

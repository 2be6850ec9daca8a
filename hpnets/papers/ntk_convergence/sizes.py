"""How large the NTK convergence study is."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The full study; `seeds` of networks that are trained."""

    seeds: int = 5
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


FEW = replace(Sizes(), init_seeds=6, four_seeds=6, digit_seeds=3, points=16, samples=128, steps=100, four_steps=300)
NARROW = replace(FEW, widths=(100, 200, 400), four_widths=(50, 200), digit_widths=(50, 200))
QUICK = replace(NARROW, init_widths=(50, 100, 200, 400))
SHORT = replace(FEW, seeds=3, steps=20, four_steps=20, samples=32, four_widths=(32,), digit_widths=(32, 64))
TINY = replace(SHORT, init_widths=(32, 64, 128), widths=(32, 64, 128))

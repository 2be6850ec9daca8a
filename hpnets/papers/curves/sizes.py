"""How large the study of two curves is."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The full study; `seeds` of networks, of Fourier curves and of pairs of images, `draws` of random points."""

    seeds: int = 5
    task: str = "digits"
    among: int = 500
    depths: tuple[int, ...] = (2, 5, 10, 20, 40, 80)
    degrees: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    fourier: tuple[str, ...] = ("fourier-2", "fourier-5", "fourier-10", "fourier-20")
    points: int = 100
    few: int = 50
    few_shifts: int = 20
    draws: int = 20
    random_depths: tuple[int, ...] = (2, 5, 10, 20)
    random_degrees: tuple[int, ...] = (2, 4, 8, 16)
    random_curves: tuple[str, ...] = ("coaxial-0.1", "sinusoid-0.24", "fourier-5", "fourier-10")
    widths: tuple[int, ...] = (64, 256, 1024)
    width: int = 256
    steps: int = 200
    tuned_width: int = 1024
    tuned_steps: int = 500
    rates: tuple[float, ...] = (0.5, 1.0, 1.5, 1.9, 2.2)

    @property
    def shifts(self) -> str:
        """The name of the curves of shifted images."""
        return f"{self.task}-{self.among}"


FEW = replace(Sizes(), seeds=3, draws=6, points=60, few=30, widths=(64, 256), tuned_width=512, tuned_steps=200)
SMALL = replace(FEW, depths=(2, 20), degrees=(2, 4, 8, 32), fourier=("fourier-10",), points=16, few=12, draws=3)
LEAST = replace(SMALL, width=32, widths=(16, 32), tuned_width=32, rates=(0.5, 1.0), steps=20, tuned_steps=10)
QUICK = replace(FEW, rates=(0.5, 1.0, 1.9))
TINY = replace(LEAST, random_depths=(2, 10), random_degrees=(4,), random_curves=("sinusoid-0.24", "fourier-10"))

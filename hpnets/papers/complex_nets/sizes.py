"""How large the study of complex networks is."""

from dataclasses import dataclass, replace

# Networks by the names that `complex_pairs.make_net` reads.
REDUCING = ("mlp-none", "mlp-modrelu", "mlp-split_relu", "mlp-split_tanh")
OTHERS = ("mlp-cardioid", "mlp-zrelu", "mlp-phase_tanh")
PRODUCTS = ("none-mult-2", "none-skip-3", "split_relu-mult-2", "split_relu-skip-3")
HEAVY = ("split_relu-mult-3",)
SEEING = tuple(f"{name}-{degree}" for name in ("none-mult", "none-skip", "split_relu-mult") for degree in (2, 3))
POLYNOMIALS = ("none-mult-2", "real-none-mult-2")
PAIRED = ("split_relu-mult-2", "split_relu-mult-2-sum")


@dataclass(frozen=True)
class Sizes:
    """The full study."""

    seeds: int = 6
    task: str = "digits"
    dim: int = 8
    points: int = 24
    draws: int = 20
    networks: tuple[str, ...] = ("mlp-split_relu", "mlp-split_tanh", "split_relu-mult-1", *PRODUCTS, *HEAVY)
    widths: tuple[int, ...] = (64, 256, 1024)
    witnesses: tuple[str, ...] = (*REDUCING, *OTHERS)
    witness_width: int = 512
    nets: int = 5
    seeing: tuple[str, ...] = SEEING
    seeing_nets: int = 20
    gaps: tuple[str, ...] = ("split_relu-mult-1", "none-skip-2", "split_relu-mult-2")
    gap_widths: tuple[int, ...] = (64, 512, 2048)
    gap_points: int = 24
    gap_steps: int = 300
    small: int = 4
    learners: tuple[str, ...] = (*POLYNOMIALS, *PAIRED)
    samples: tuple[int, ...] = (10, 16, 20, 28, 36, 60, 200)
    held: int = 200
    width: int = 64
    few: int = 28
    many: int = 200
    steps: int = 600
    lr: float = 0.01
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    images: int = 500
    on_images: tuple[str, ...] = (*POLYNOMIALS, "none-mult-2-sum", *PAIRED, "real-split_relu-mult-2")


FEW = replace(Sizes(), seeds=3, draws=8, nets=3, seeing_nets=4, widths=(64, 256), witness_width=256)
QUICK = replace(FEW, gap_widths=(64, 512), gap_steps=200, steps=150, rates=(0.1, 0.3))
FEWER = replace(QUICK, networks=("mlp-split_relu", "none-mult-2", "split_relu-mult-1", *HEAVY), seeing=SEEING[::2])
LEAST = replace(FEWER, draws=3, points=6, nets=2, widths=(8, 16), witness_width=16, gap_widths=(8, 16), gap_steps=10)
TINY = replace(LEAST, width=8, steps=5, images=20, held=20, samples=(20, 28, 36))

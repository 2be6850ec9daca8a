"""How large the spectral bias study is."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The full study; `paper_width`, d = 10 and `samples` are the paper's own setting."""

    seeds: int = 3
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


FEW = replace(Sizes(), spectrum_dims=(3, 10), k_max=64, windows=((4, 16), (16, 64)), frequencies=(1, 16))
SHORT = replace(FEW, samples=300, net_steps=50, wide_steps=5, label_degrees=(1, 9), label_samples=200, label_steps=100)
QUICK = replace(SHORT, width=512, paper_width=1024, net_widths=(128, 512), label_width=128)
LEAST = replace(QUICK, k_max=32, windows=((4, 12), (12, 32)), degrees=(1, 3, 9), samples=60, net_steps=10, wide_steps=3)
TINY = replace(LEAST, width=64, paper_width=128, net_widths=(32, 64), label_width=32, label_samples=60, label_steps=10)

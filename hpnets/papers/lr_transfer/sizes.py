"""How large the study of learning-rate transfer is."""

from dataclasses import dataclass, replace

PRODUCTS = ("ccp-2", "ccp-4", "skip-2", "skip-4")
WIDE = ("mlp", *(name + twin for name in PRODUCTS for twin in ("", "-sum")))
DEEP = ("resmlp-1", "resmlp-2", "deep", "deep-sum")
EIGHTH = 3  # octaves below the best rate
LINEAR = {"mup": 0.1, "ntk": 5.0}


@dataclass(frozen=True)
class Sizes:
    """The full study."""

    seeds: int = 5
    wide: tuple[str, ...] = WIDE
    widths: tuple[int, ...] = (32, 128, 512)
    copied: tuple[str, ...] = ("skip-4-copied",)
    images: tuple[str, ...] = ("pinet", "pinet-sum")
    channels: tuple[int, ...] = (8, 16)
    adam: tuple[str, ...] = ("mlp", "ccp-2", "ccp-4", "skip-4")
    deep: tuple[str, ...] = DEEP
    deep_adam: tuple[str, ...] = ("resmlp-2",)
    deep_followed: tuple[str, ...] = ("resmlp-1", "deepskip")
    plain: tuple[str, ...] = ("resmlp-1", "deep")
    branches: tuple[int, ...] = (3, 8, 24)
    steps: int = 100
    batch: int = 128
    followed: tuple[int, ...] = (32, 128, 512)
    samples: int = 256
    # Octaves below the best rate, and samples, of an MLP that is followed beside; 3 and `samples` are those of all.
    swept: tuple[tuple[int, int], ...] = ((2, 256), (4, 256), (3, 512))
    times: tuple[int, ...] = (0, 50, 210, 300)
    linear_widths: tuple[int, ...] = (32, 128, 512)


FEW = replace(Sizes(), seeds=3, wide=("mlp", "ccp-2", "ccp-2-sum"), copied=(), images=(), adam=("mlp", "ccp-2"))
SHORT = replace(FEW, steps=40, batch=32, branches=(3, 6, 12), deep_followed=("resmlp-1",), widths=(32, 128))
QUICK = replace(SHORT, followed=(32, 128), samples=64, swept=((2, 64), (4, 64), (3, 128)), times=(0, 50, 100))
LEAST = replace(SHORT, widths=(32, 64), followed=(32, 64), linear_widths=(32, 64), branches=(2, 3, 4), deep_adam=())
TINY = replace(LEAST, steps=2, batch=4, samples=8, swept=((2, 8),), times=(1,))

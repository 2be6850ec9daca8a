"""How large the study of learning-rate transfer is, and at which rates networks are trained."""

from dataclasses import dataclass, replace

PRODUCTS = ("ccp-2", "ccp-4", "skip-2", "skip-4")
WIDE = ("mlp", *(name + twin for name in PRODUCTS for twin in ("", "-sum")))
DEEP = ("resmlp-1", "resmlp-2", "deep", "deep-sum", "deepskip", "deepskip-sum")
Way = tuple[str, str]
# The grids, log2 of the least and the greatest rate, which a net and its twin share; by optimiser and parametrisation.
# "deep" of mup: networks whose branches are not scaled, whose rates fall far.
GRIDS: dict[Way, dict[str, tuple[float, float]]] = {
    ("sgd", "mup"): {
        **{"mlp": (-3, 1), "ccp-2": (-5, -1), "ccp-4": (-6.5, -2.5), "skip-2": (1.5, 5.5), "skip-4": (-0.5, 4)},
        **{"pinet": (-2.5, 1), "resmlp-1": (-13, 0), "deep": (-18, -1)},
    },
    ("sgd", "ntk"): {"mlp": (2, 8), "ccp-2": (2, 6), "ccp-4": (0.5, 5), "skip-2": (2.5, 7), "skip-4": (1.5, 6)},
    ("adam", "mup"): {"mlp": (-8, -4), "ccp-2": (-8.5, -5), "ccp-4": (-10, -6), "skip-4": (-7, -3)},
    ("sgd", "depth"): {"resmlp-1": (-3.5, 0.5), "resmlp-2": (-4.5, 0.5), "deep": (-9.5, -1), "deepskip": (-3, 5)},
    ("adam", "depth"): {"resmlp-1": (-9, -4.5), "resmlp-2": (-10, -5), "deep": (-10, -5)},
}
# log2 of the best rate at the first size, in a first run; networks whose sharpness is followed train at an eighth.
BEST: dict[Way, dict[str, float]] = {
    ("sgd", "mup"): {
        **{"mlp": -1, "ccp-2": -2, "ccp-2-sum": -3, "ccp-4": -3.5, "ccp-4-sum": -5, "skip-2": 4, "skip-2-sum": 3.5},
        **{"skip-4": 3, "skip-4-sum": 1, "pinet": -0.5, "pinet-sum": -1, "resmlp-1": -1.5, "resmlp-2": -2},
        **{"deep": -2.5, "deep-sum": -3, "deepskip": 3.5, "deepskip-sum": 2.5},
    },
    ("sgd", "ntk"): {"mlp": 3.5, "ccp-2": 3.5, "ccp-4": 2},
    ("adam", "mup"): {"mlp": -6, "ccp-2": -6.5, "ccp-4": -7.5},
}
EIGHTH = 3  # octaves below the best rate
LINEAR = {"mup": 0.1, "ntk": 5.0}
STEP = 0.5


@dataclass(frozen=True)
class Sizes:
    """The full study."""

    seeds: int = 5
    wide: tuple[str, ...] = WIDE
    widths: tuple[int, ...] = (32, 128, 512)
    images: tuple[str, ...] = ("pinet", "pinet-sum")
    channels: tuple[int, ...] = (8, 16)
    adam: tuple[str, ...] = ("mlp", "ccp-2", "ccp-2-sum", "ccp-4", "ccp-4-sum", "skip-4", "skip-4-sum")
    deep: tuple[str, ...] = DEEP
    deep_adam: tuple[str, ...] = ("resmlp-2", "resmlp-1", "deep")
    deep_followed: tuple[str, ...] = ("resmlp-1", "deepskip")
    plain: tuple[str, ...] = ("resmlp-1", "deep")
    branches: tuple[int, ...] = (3, 8, 24)
    steps: int = 60
    batch: int = 64
    image_batch: int = 32
    followed: tuple[int, ...] = (32, 128, 256)
    samples: int = 256
    image_samples: int = 64
    # Octaves below the best rate, and samples, of an MLP that is followed beside; 3 and `samples` are those of all.
    swept: tuple[tuple[int, int], ...] = ((2, 256), (4, 256), (3, 512))
    times: tuple[int, ...] = (0, 40, 140, 200)
    linear_widths: tuple[int, ...] = (32, 128, 512)


FEW = replace(Sizes(), seeds=3, wide=("mlp", "ccp-2", "ccp-2-sum"), images=(), adam=("mlp", "ccp-2"))
LESS = replace(FEW, deep=("resmlp-1", "resmlp-2", "deep", "deep-sum"), deep_adam=("resmlp-2",), branches=(3, 6, 12))
SHORT = replace(LESS, deep_followed=("resmlp-1",), widths=(32, 128), followed=(32, 128), linear_widths=(32, 128, 512))
QUICK = replace(SHORT, steps=50, batch=32, samples=64, swept=((2, 64), (4, 64), (3, 128)), times=(0, 50, 100))
LEAST = replace(SHORT, widths=(32, 64), followed=(32, 64), linear_widths=(32, 64), branches=(2, 3, 4), deep_adam=())
TINY = replace(LEAST, steps=2, batch=4, samples=8, swept=((2, 8),), times=(0, 1))

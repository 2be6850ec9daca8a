"""How large the study of label-aware kernels is."""

from dataclasses import dataclass, replace

STRENGTHS = (0.0, 0.01, 0.1, 0.5)
PRODUCTS = ("ccp", "ccp-relu")


@dataclass(frozen=True)
class Sizes:
    """The full study; networks by the names of `elastic_nets.NETWORKS`."""

    seeds: int = 5
    # Regression: all pairs, the empirical kernel of one network.
    pairs: tuple[str, ...] = (
        *("fashion_mnist 2-4", "fashion_mnist 0-6", "fashion_mnist 7-9"),
        *("digits 3-8", "digits 4-9", "digits 1-7"),
    )
    networks: tuple[str, ...] = ("mlp", "ccp")
    samples: int = 400
    kernel_seeds: int = 10
    # Hierarchy.
    hierarchy_pairs: tuple[str, ...] = ("fashion_mnist 2-4", "fashion_mnist 7-9", "digits 3-8")
    widths: tuple[int, ...] = (64, 128, 256)
    draws: int = 2
    points: int = 16
    # Training.
    trained_pairs: tuple[str, ...] = ("fashion_mnist 2-4", "fashion_mnist 0-6", "fashion_mnist 7-9", "digits 3-8")
    images: int = 2000
    epochs: int = 40
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    convolutional: tuple[str, ...] = ("pinet", "starnet")
    conv_pairs: tuple[str, ...] = ("fashion_mnist 2-4", "fashion_mnist 7-9")
    conv_images: int = 600
    conv_epochs: int = 12
    conv_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    side: int = 14
    held: int = 400
    probe: int = 200
    steps: int = 30


FEW = replace(Sizes(), seeds=3, kernel_seeds=3, pairs=("digits 3-8", "digits 4-9"), networks=("mlp",), samples=120)
FEWER = replace(FEW, hierarchy_pairs=("digits 3-8",), widths=(32, 128), draws=1, points=12, probe=60, steps=10)
FAST = replace(FEWER, conv_rates=(3e-3, 1e-2), conv_epochs=3, side=8, rates=(1e-3, 3e-3), epochs=20)
QUICK = replace(FAST, trained_pairs=("digits 3-8",), conv_pairs=("digits 3-8",))
LEAST = replace(
    QUICK, samples=20, rates=(1e-3,), conv_rates=(3e-3,), kernel_seeds=1, widths=(16, 32), points=4, probe=12
)
TINY = replace(LEAST, images=20, epochs=1, conv_images=16, conv_epochs=1, held=20, steps=4, convolutional=("pinet",))

"""How large the study of robust features is."""

from dataclasses import dataclass, replace

# Radii as fractions of the range of pixels, by the task.
RADII = {"digits": 0.15}
RADIUS = 0.05
# Of these radii, for networks that are trained cleanly, of which the whole radius leaves no accuracy.
NEAR = 0.4


def radius_of(data: str) -> float:
    """The radius of attacks on "<task> <class>-<class>"."""
    return RADII.get(data.split()[0], RADIUS)


def twin_of(network: str) -> str:
    """The name of the additive twin."""
    return f"{network}-sum"


@dataclass(frozen=True)
class Sizes:
    """The full study; networks by the names that `feature_machines.make_net` reads."""

    seeds: int = 5
    data: tuple[str, ...] = ("fashion_mnist 2-4", "fashion_mnist 0-6", "fashion_mnist 7-9", "digits 3-8")
    train: int = 600
    test: int = 200
    steps: int = 10
    feature_steps: int = 3
    # Limit kernels, and kernels of networks of `width` (or `channels`) at their start.
    limits: tuple[str, ...] = ("mlp-relu", "skip-2-relu", "skip-4-relu", "ccp-3-none", "ccp-3-none-sum")
    finite: tuple[str, ...] = ("mlp-relu", "skip-2-relu", "ccp-3-none", "cnn", "pinet")
    width: int = 256
    channels: int = 8
    alike: tuple[str, ...] = ("mlp-relu", "skip-2-relu", "cnn")  # whose features are compared
    # Trained networks: those that are attacked by kernels, and products beside their twins.
    wide: int = 1024
    attacked: tuple[str, ...] = ("mlp-relu", "skip-2-relu", "ccp-3-none")
    products: tuple[str, ...] = ("ccp-3-none", "skip-2-relu", "pinet")
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    epochs: tuple[int, ...] = (1, 2, 3, 5, 8, 12, 20)
    moved: tuple[str, ...] = ("mlp-relu", "ccp-3-none", "ccp-3-none-sum")  # whose kernels are tracked
    moved_epochs: tuple[int, ...] = (1, 2, 4, 8, 16, 32)

    @property
    def first(self) -> str:
        """The data of pictures and of what is measured once."""
        return self.data[0]

    def width_of(self, network: str) -> int:
        """Units, or channels of a network of convolutions."""
        return self.channels if network.startswith(("cnn", "pinet")) else self.width


DIGITS = replace(Sizes(), seeds=3, data=("digits 3-8",), train=200, test=100, width=64, channels=4)
FEW = replace(DIGITS, wide=256, limits=("mlp-relu", "skip-2-relu", "ccp-3-none"), finite=("cnn",), steps=5)
QUICK = replace(FEW, products=("ccp-3-none",), rates=(1e-3, 3e-3), epochs=(1, 2, 4, 8), moved_epochs=(1, 4, 8))
LEAST = replace(QUICK, train=64, test=20, limits=("mlp-relu", "skip-2-relu"), finite=("skip-2-relu",))
SMALL = replace(LEAST, width=8, wide=16, attacked=("mlp-relu",), feature_steps=1, steps=1)
TINY = replace(SMALL, alike=SMALL.limits, rates=(1e-3,), epochs=(1, 2), moved=("mlp-relu",), moved_epochs=(1, 2))

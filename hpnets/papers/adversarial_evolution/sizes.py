"""How large the study of kernels under adversarial training is."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sizes:
    """The full study; epochs at which kernels are measured begin with 0 and end with the last."""

    seeds: int = 5
    task: str = "fashion_mnist"
    side: int = 28
    number: int = 2000
    held: int = 500
    eps: float = 0.05
    lr: float = 1e-3
    epochs: int = 60
    measured: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 40, 60)
    frozen: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 60)
    frozen_epochs: int = 4
    pairs: tuple[str, ...] = ("ccp",)
    small_pairs: tuple[str, ...] = ("pinet", "starnet")
    small_side: int = 14
    small_number: int = 1000
    small_epochs: int = 10
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    digits_number: int = 1000
    digits_eps: float = 0.15
    digits_epochs: int = 200


FEW = replace(Sizes(), seeds=3, number=128, held=100, epochs=3, measured=(0, 1, 3), frozen=(0, 3), frozen_epochs=1)
FEWER = replace(FEW, small_pairs=("pinet",), small_number=64, small_epochs=2, rates=(1e-3,))
QUICK = replace(FEWER, digits_number=256, digits_epochs=10)
LEAST = replace(QUICK, task="digits", side=8, number=16, held=8, epochs=2, measured=(0, 1, 2), frozen=(0, 2))
TINY = replace(LEAST, small_pairs=(), digits_number=16, digits_epochs=2)

"""What a network takes, checked at each forward."""

from torch import Tensor, nn


class SampleShape:
    """A forward pre-hook: ValueError for a batch whose samples are not of the shape that a net was built for.

    Where `least_side` is given, the axes after the first, the channels, may have any sizes from it on.
    """

    def __init__(self, shape: tuple[int, ...], least_side: int | None) -> None:
        self.shape, self.fixed, self.least = shape, 1 if least_side else len(shape), least_side or 1

    def __call__(self, net: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        for x in (*args, *kwargs.values()):
            fixed, free = x.shape[1 : 1 + self.fixed], x.shape[1 + self.fixed :]
            if x.ndim != 1 + len(self.shape) or fixed != self.shape[: self.fixed] or min(free, default=1) < self.least:
                sizes = ["batch", *map(str, self.shape[: self.fixed])]
                sizes += [f">= {self.least}"] * (len(self.shape) - self.fixed)
                raise ValueError(f"x is {tuple(x.shape)}; allowed: ({', '.join(sizes)})")

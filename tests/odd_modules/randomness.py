"""Networks that draw at random, each of which must be refused, and some that seem to."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from tests.odd_modules.base import COUPLES, DRAWS, NO_FORWARD_MODE, odd

GLOBAL = np.random.default_rng(0)


class Two(nn.Module):
    """Two layers for the modules below."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)


@odd(refused=DRAWS)
class FunctionalDropout(Two):
    """F.dropout, whose default is to draw, in eval mode too."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.dropout(torch.tanh(self.a(x)), 0.3))


@odd(refused=DRAWS)
class RareDropout(Two):
    """F.dropout that rarely drops anything on so few samples."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.dropout(torch.tanh(self.a(x)), 0.05))


@odd(train=True, refused=f"{DRAWS}|train mode")
def DropoutInTrainMode() -> nn.Module:
    """nn.Dropout in train mode."""
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(), nn.Linear(5, 3))


@odd(train=True, refused=DRAWS)
def RReLUInTrainMode() -> nn.Module:
    """RReLU draws its slopes in train mode."""
    return nn.Sequential(nn.Linear(4, 5), nn.RReLU(), nn.Linear(5, 3))


class DropPath(nn.Module):
    """x or nothing, for each sample, in train mode."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x * x.new_empty(len(x), 1).bernoulli_(0.8) / 0.8


@odd(train=True, refused=DRAWS)
class DropPathInTrainMode(Two):
    """A branch that is dropped for some samples."""

    def __init__(self) -> None:
        super().__init__()
        self.b, self.drop = nn.Linear(5, 5), DropPath()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.out(h + self.drop(self.b(h)))


@odd(train=True, refused=DRAWS)
def StochasticDepthInTrainMode() -> nn.Module:
    """torchvision's StochasticDepth, which drops a whole batch."""
    return nn.Sequential(nn.Linear(4, 5), StochasticDepth(0.2, "batch"), nn.Linear(5, 3))


@odd(train=True, refused=DRAWS)
def RareStochasticDepth() -> nn.Module:
    """A branch that is dropped once in ten thousand passes."""
    return nn.Sequential(nn.Linear(4, 5), StochasticDepth(1e-4, "batch"), nn.Linear(5, 3))


@odd(refused=DRAWS)
class RareLayerDrop(Two):
    """A layer that is left out where a number between 0 and 1 is small."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h if torch.rand(()) < 1e-4 else torch.tanh(h))


@odd(refused=DRAWS)
class RareLayerDropOfPythons(Two):
    """A layer that is nearly always left out, by Python's own generator."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h if random.random() < 1 - 1e-4 else torch.tanh(h))


@odd(refused=DRAWS)
class RareLayerDropOfNumpys(Two):
    """A layer that is nearly always left out, by numpy's own generator."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h if np.random.rand() < 1 - 1e-4 else torch.tanh(h))  # noqa: NPY002


@odd(refused=DRAWS)
class RareLayerDropOfAHeldGenerator(Two):
    """A layer that is rarely left out, by a generator that the module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = np.random.default_rng(0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h if self.generator.random() < 1e-4 else torch.tanh(h))


@odd(refused=DRAWS)
class RareLayerDropOfAGlobalGenerator(Two):
    """A layer that is rarely left out, by a global variable of this file."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h if GLOBAL.random() < 1e-4 else torch.tanh(h))


@odd(refused=DRAWS)
class RareDropoutOfAHeldGenerator(Two):
    """Units that are rarely dropped, by a generator of torch's that the module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        kept = torch.empty(5).bernoulli_(1 - 1e-4, generator=self.generator)
        return self.out(torch.tanh(self.a(x)) * kept.to(x))


@odd((3, 4), train=True, refused=DRAWS)
class LSTMDropoutInTrainMode(nn.Module):
    """The dropout between an LSTM's layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.LSTM(4, 5, 2, batch_first=True, dropout=0.2), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


@odd((3, 4), train=True, refused=DRAWS)
class AttentionDropoutInTrainMode(nn.Module):
    """The dropout of an attention's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(4, 2, dropout=0.2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attention(x, x, x)[0].mean(1))


@odd(refused=DRAWS)
class Noise(Two):
    """Noise on hidden units, small beside them."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(torch.tanh(h + 1e-3 * torch.randn_like(h)))


@odd(refused=DRAWS)
class SharedNoise(Two):
    """One draw for the whole batch."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)) * (1 + 0.1 * torch.rand(1, dtype=x.dtype, device=x.device)))


@odd(refused=DRAWS)
class GumbelChoice(Two):
    """Units chosen by Gumbel noise."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h * F.gumbel_softmax(h, hard=True))


@odd(refused=DRAWS)
class PythonsRandomness(Two):
    """A draw from Python's own generator."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)) * (1 + 0.1 * random.random()))


@odd(may_refuse=NO_FORWARD_MODE)
class DrawThatDoesNotMatter(Two):
    """A number is drawn and thrown away."""

    def forward(self, x: Tensor) -> Tensor:
        torch.rand(1)
        return self.out(torch.tanh(self.a(x)))


@odd(may_refuse=NO_FORWARD_MODE)
class FixedDraw(Two):
    """A random feature map from a generator of its own, the same at each call and for each sample."""

    def forward(self, x: Tensor) -> Tensor:
        w = torch.randn(5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(x)
        return self.out(torch.tanh(self.a(x) + w))


@odd(may_refuse=NO_FORWARD_MODE)
class FixedDrawOfAHeldGenerator(Two):
    """A random feature map from a generator that the module holds, from Python's and numpy's, all seeded in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        w = torch.rand(5, generator=self.generator.manual_seed(3), dtype=torch.float64).to(x)
        return self.out(torch.tanh(self.a(x) + w + random.random() * np.random.rand()))  # noqa: NPY002


@odd(may_refuse=NO_FORWARD_MODE)
class DrawUnderItsOwnSeed(Two):
    """A random feature map under a seed that forward sets, beside a draw of which nothing is used."""

    def forward(self, x: Tensor) -> Tensor:
        torch.rand(1)
        torch.manual_seed(3)
        return self.out(torch.tanh(self.a(x) + torch.rand(5, dtype=torch.float64).to(x)))


@odd(refused=f"{COUPLES}|{DRAWS}")
class FixedDrawForEachPlace(Two):
    """The same noise at each call, but another for each place in the batch."""

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        return self.out(torch.tanh(self.a(x) + noise.to(x)))


@odd(train=True)
def TrainModeWithoutDraws() -> nn.Module:
    """A net in train mode that has nothing to draw."""
    return nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3))


@odd(train=True)
def TrainModeWithDropoutOfZero() -> nn.Module:
    """A dropout of probability 0, as configurations leave it."""
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.0), nn.Linear(5, 3))


class HeldInEvalMode(nn.BatchNorm1d):
    """A BatchNorm that stays in eval mode, as fine-tuning wants it."""

    def train(self, mode: bool = True) -> "HeldInEvalMode":
        return super().train(False)


@odd(train=True)
def TrainModeWithHeldBatchNorm() -> nn.Module:
    """A net in train mode around a BatchNorm in eval mode."""
    return nn.Sequential(nn.Linear(4, 5), HeldInEvalMode(5), nn.Tanh(), nn.Linear(5, 3))

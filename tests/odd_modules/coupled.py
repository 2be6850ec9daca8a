"""Networks in which one sample changes another's output, each of which must be refused."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.odd_modules.base import COUPLES, odd


class Two(nn.Module):
    """Two layers for the modules below."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)


@odd((4, 4), refused=COUPLES)
class LSTMWithoutBatchFirst(nn.Module):
    """nn.LSTM takes the samples for time."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.LSTM(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


@odd((3, 4), refused=COUPLES)
class SequenceFirstAttention(nn.Module):
    """Causal attention over the samples: the first one sees itself alone."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.ones(len(x), len(x), dtype=torch.bool, device=x.device).triu(1)
        return self.out(self.attention(x, x, x, attn_mask=mask)[0].mean(1))


@odd(refused=COUPLES)
class CentredBatch(Two):
    """The batch's mean is taken off."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x - x.mean(0))))


@odd(refused=COUPLES)
class OnePercent(Two):
    """The batch's mean enters by one per cent."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(torch.tanh(h + 0.01 * h.mean(0)))


@odd(refused=COUPLES)
class OnePart(Two):
    """The batch's mean enters by a part in a million."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(torch.tanh(h + 1e-6 * h.mean(0)))


@odd(refused=COUPLES)
class LaterSamples(Two):
    """From the fourth on, a sample also sees the one before it."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        before = torch.cat([torch.zeros_like(h[:3]), h[2:-1]])[: len(h)]
        return self.out(torch.tanh(h + before))


@odd(refused=COUPLES)
class OpenSamples(Two):
    """Samples whose gate is open see the batch's mean; the first two's is shut."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(torch.tanh(h + x[:, :1].relu() * h.mean(0)))


@odd(refused=COUPLES)
class RunningSum(Two):
    """Sums over the samples so far."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x).cumsum(0)))


@odd(refused=COUPLES)
class SoftmaxOverTheBatch(Two):
    """A softmax over the wrong axis."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.a(x).softmax(0))


@odd(refused=COUPLES)
class Neighbours(Two):
    """Each sample attends to those near it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cdist(x, x).neg().softmax(1) @ torch.tanh(self.a(x)))


@odd(refused=COUPLES)
class WeightedByTheLargest(Two):
    """All are divided by the largest activation of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.out(h / h.abs().max())


@odd(refused=COUPLES)
class ByPlace(Two):
    """What a sample gets depends on its place in the batch."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x)) * (1 + torch.arange(len(x), device=x.device)[:, None].to(x.dtype)))


@odd((3, 4), refused=COUPLES)
def BatchNormWithoutStatistics() -> nn.Module:
    """BatchNorm without statistics in eval mode."""
    norm = nn.BatchNorm1d(3, track_running_stats=False)
    return nn.Sequential(norm, nn.Flatten(), nn.Linear(12, 3))


@odd(train=True, refused=f"{COUPLES}|train mode")
def BatchNormInTrainMode() -> nn.Module:
    """BatchNorm in train mode."""
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))


@odd(refused=COUPLES)
class FunctionalBatchNorm(Two):
    """F.batch_norm with the batch's statistics, in eval mode."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.batch_norm(self.a(x), None, None, training=True))


@odd(refused=COUPLES)
class CoupledGradients(Two):
    """The batch's mean is added and taken off again, detached: it is in no output, and in every gradient."""

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        mean = h.mean(0)
        return self.out(torch.tanh(h) + mean - mean.detach())

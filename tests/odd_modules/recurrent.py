"""Reuse over time."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, odd


@odd((5, 4))
class HandMadeRecurrence(nn.Module):
    """Two Linear layers called at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.r, self.out = nn.Linear(4, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 5)
        for x_t in x.unbind(1):
            h = torch.tanh(self.a(x_t) + self.r(h))
        return self.out(h)


class CellLoop(nn.Module):
    """A cell of torch called at each step, from a learnt first state."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell, self.start, self.out = cell, nn.Parameter(torch.randn(5)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.start.expand(len(x), -1)
        for x_t in x.unbind(1):
            h = self.cell(x_t, h)
        return self.out(h)


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
def RNNCellLoop() -> nn.Module:
    """nn.RNNCell in a loop."""
    return CellLoop(nn.RNNCell(4, 5))


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
def GRUCellLoop() -> nn.Module:
    """nn.GRUCell in a loop."""
    return CellLoop(nn.GRUCell(4, 5))


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
class LSTMCellLoop(nn.Module):
    """nn.LSTMCell in a loop: a pair of states."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = (x.new_zeros(len(x), 5), x.new_zeros(len(x), 5))
        for x_t in x.unbind(1):
            state = self.cell(x_t, state)
        return self.out(state[0])


class LastState(nn.Module):
    """A recurrent layer of torch, and a read-out of its last output."""

    def __init__(self, layer: nn.RNNBase, width: int = 5) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
def LSTMBatchFirst() -> nn.Module:
    """nn.LSTM."""
    return LastState(nn.LSTM(4, 5, batch_first=True))


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
def GRUOfTwoLayers() -> nn.Module:
    """nn.GRU of two layers, with a dropout that eval mode turns off."""
    return LastState(nn.GRU(4, 5, num_layers=2, batch_first=True, dropout=0.5))


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
def BidirectionalRNN() -> nn.Module:
    """nn.RNN that also reads backwards."""
    return LastState(nn.RNN(4, 5, bidirectional=True, batch_first=True), 10)


@odd((4, 4), may_refuse=NO_FORWARD_MODE)
class LSTMTimeFirst(nn.Module):
    """nn.LSTM without batch_first, rightly given time first."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.LSTM(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x.transpose(0, 1))[0][-1])


@odd((4, 4), train=True, may_refuse=NO_FORWARD_MODE)
def LSTMInTrainMode() -> nn.Module:
    """nn.LSTM in train mode without dropout: it neither draws nor couples."""
    return LastState(nn.LSTM(4, 5, batch_first=True))


@odd((3, 4))
class TimeFirst(nn.Module):
    """A layer whose first axis is time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.transpose(0, 1))).mean(0))


@odd((3, 4))
class TimeIntoRows(nn.Module):
    """A layer whose rows are (time, sample), folded into one axis: N divides their number, in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x.transpose(0, 1).flatten(0, 1)))
        return self.out(h.unflatten(0, (3, -1)).mean(0))


@odd((3, 4))
class RowsOfPositions(nn.Module):
    """A layer whose rows are (sample, time), folded into one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.a(x.flatten(0, 1))).unflatten(0, (-1, 3)).mean(1))


@odd()
class FixedPoint(nn.Module):
    """One layer until its own output is met, twelve times."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.inject, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x)
        for _ in range(12):
            h = torch.tanh(0.5 * self.a(h) + self.inject(x))
        return self.out(h)

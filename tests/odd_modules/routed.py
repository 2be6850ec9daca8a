"""Layers that get some rows alone, how many and in which order the data decide."""

import torch
from torch import Tensor, nn

from tests.odd_modules.base import NO_FORWARD_MODE, closed_first, odd


class Experts(nn.Module):
    """Three experts and the router that chooses one for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.out = nn.Linear(4, 3), nn.Linear(5, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 5) for _ in range(3))


@odd(may_refuse=NO_FORWARD_MODE)
class HardRoutedExperts(Experts):
    """Each expert gets the rows that are routed to it."""

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = self.router(x).softmax(1).max(1)
        h = x.new_zeros(len(x), 5)
        for e, expert in enumerate(self.experts):
            rows = (chosen == e).nonzero()[:, 0]
            h = h.index_add(0, rows, torch.tanh(expert(x[rows])) * weight[rows, None])
        return self.out(h)


@odd(may_refuse=NO_FORWARD_MODE)
class ExpertsBySortedRows(Experts):
    """Rows sorted by expert and split, as grouped products want them."""

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.router(x).argmax(1)
        order = chosen.argsort(stable=True)
        parts = x[order].split(torch.bincount(chosen, minlength=3).tolist())
        h = torch.cat([torch.tanh(expert(part)) for expert, part in zip(self.experts, parts, strict=True)])
        return self.out(h[order.argsort()])


@odd()
class DenselyRoutedExperts(Experts):
    """Every expert sees every row, and a mask chooses: the rows count N, the gradients are of some."""

    def forward(self, x: Tensor) -> Tensor:
        mask = (self.router(x).argmax(1)[:, None] == torch.arange(3, device=x.device)).to(x.dtype)
        return self.out(sum(mask[:, e, None] * torch.tanh(f(x)) for e, f in enumerate(self.experts)))


@odd(rows=closed_first, may_refuse=NO_FORWARD_MODE, wrong_guess="b.weight")
class EarlyExit(nn.Module):
    """Rows that are done leave after the first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        busy = x[:, 0] > 0
        if not busy.any():
            return self.out(h)
        h = h.clone()
        h[busy] = torch.tanh(self.b(h[busy]))
        return self.out(h)


@odd(may_refuse=NO_FORWARD_MODE)
class AsManyStepsAsNeeded(nn.Module):
    """One layer as often as a sample asks for, in a loop that ends with the last sample."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        steps, h = (x[:, :1].abs() * 3).long(), x
        for step in range(1 + int(steps.max())):
            h = torch.where(step <= steps, torch.tanh(self.a(h)), h)
        return self.out(h)


@odd(may_refuse=NO_FORWARD_MODE)
class OneSampleAtATime(nn.Module):
    """A Python loop over samples with an `if` on values: the layers never see a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = [self.a(x_i) if x_i.sum() > 0 else torch.sin(self.b(x_i)) for x_i in x]
        return self.out(torch.tanh(torch.stack(rows)))


@odd((3, 4), rows=lambda x: torch.cat([x[:, :1].abs() + 0.5, x[:, 1:]], 1), may_refuse=NO_FORWARD_MODE)
class RaggedTokens(nn.Module):
    """A layer on the tokens that count alone, whose number a sample decides."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows, places = (x[..., 0] > 0.5).nonzero(as_tuple=True)
        h = torch.tanh(self.a(x[rows, places]))
        return self.out(x.new_zeros(len(x), 5).index_add(0, rows, h))


@odd(rows=lambda x: x[torch.tensor([0, 1, 2, 0, 2, 5, 6, 5])], may_refuse=NO_FORWARD_MODE)
class EqualRowsOnce(nn.Module):
    """A layer on each distinct sample once, shared by its copies."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        distinct, back = torch.unique(x, dim=0, return_inverse=True)
        return self.out(torch.tanh(self.a(distinct))[back])


@odd((3, 4))
class BestTokens(nn.Module):
    """The two tokens of the highest score, by topk and gather."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.a, self.out = nn.Linear(4, 1), nn.Linear(4, 5), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        score, best = self.score(x)[..., 0].topk(2)
        h = torch.tanh(self.a(x)).gather(1, best[..., None].expand(-1, -1, 5))
        return self.out((h * score[..., None]).flatten(1))


@odd((1, 4), may_refuse=NO_FORWARD_MODE)
class Squeezed(nn.Module):
    """`squeeze()` without an axis: a batch of one sample loses its first axis."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x).squeeze())
        return self.out(h.transpose(0, 1).transpose(0, 1))

"""Mixup and label smoothing: by hand, on the batch of all ranks, and where they are refused."""

from types import SimpleNamespace
from typing import Any, cast

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpnets.options import OptimOptions
from hpnets.tasks import create_task
from hpnets.training import LitModel
from hpnets.training.soft_labels import soft_batch

TASK = create_task("digits", batch_size=6, seed=5)
X, Y = torch.eye(6), torch.arange(6)


def soft(optim: OptimOptions, k: int = 0, epoch: int = 0, task: Any = TASK) -> tuple[Tensor, Tensor]:
    """The batch X, Y as one process makes it."""
    module = SimpleNamespace(current_epoch=epoch, global_rank=0, trainer=SimpleNamespace(world_size=1))
    return soft_batch(cast(pl.LightningModule, module), task, optim, (X, Y), k)


def on_ranks(optim: OptimOptions, world: int) -> tuple[Tensor, Tensor]:
    """The same as `world` ranks make it, put together again."""
    whole = {X.shape[1:]: X, torch.Size([10]): TASK.targets(Y)}

    def gathered(rows: Tensor) -> Tensor:
        return torch.stack([whole[rows.shape[1:]][rank::world] for rank in range(world)])

    x, t = torch.empty(6, 6), torch.empty(6, 10)
    for rank in range(world):
        trainer = SimpleNamespace(world_size=world)
        module = SimpleNamespace(current_epoch=0, global_rank=rank, trainer=trainer, all_gather=gathered)
        dealt = X[rank::world], Y[rank::world]
        x[rank::world], t[rank::world] = soft_batch(cast(pl.LightningModule, module), TASK, optim, dealt, 0)
    return x, t


def test_a_batch_is_as_it_was_without_either() -> None:
    x, y = soft(OptimOptions())
    assert x is X
    assert y is Y


def test_label_smoothing_is_torchs() -> None:
    outputs = torch.randn(6, 10)
    _, targets = soft(OptimOptions(label_smoothing=0.2))
    assert TASK.loss(outputs, targets).item() == pytest.approx(F.cross_entropy(outputs, Y, label_smoothing=0.2).item())


def test_inputs_and_targets_are_mixed_in_the_same_pairs() -> None:
    """X is one-hot, so that row i of x says which rows it was made of."""
    optim = OptimOptions(mixup=1.0)
    shares = []
    for k in range(20):
        x, t = soft(optim, k)
        torch.testing.assert_close(t[:, :6], x)
        torch.testing.assert_close(x.sum(1), torch.ones(6))
        torch.testing.assert_close(x.sum(0), torch.ones(6))  # each row is one other row's partner
        shares += [float(value) for i, row in enumerate(x) for value in row[i : i + 1] if value < 1]
    assert 0 < min(shares) < 0.3 < 0.7 < max(shares)


def test_mixing_is_a_function_of_seed_epoch_and_batch() -> None:
    optim = OptimOptions(mixup=0.4)
    first = soft(optim, k=3, epoch=1)
    torch.manual_seed(7)
    assert all(torch.equal(a, b) for a, b in zip(first, soft(optim, k=3, epoch=1), strict=True))
    other = create_task("digits", batch_size=6, seed=6)
    for changed in (soft(optim, k=2, epoch=1), soft(optim, k=3, epoch=2), soft(optim, 3, 1, task=other)):
        assert not torch.equal(changed[0], first[0])


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_mix_the_batch_of_one_process(world: int) -> None:
    optim = OptimOptions(mixup=0.4, label_smoothing=0.1)
    for one, many in zip(soft(optim), on_ranks(optim, world), strict=True):
        assert torch.equal(one, many)


def test_a_task_without_classes_is_refused() -> None:
    line = create_task("line")
    for name in ("mixup", "label_smoothing"):
        with pytest.raises(ValueError, match=rf"optim\.{name} is 0\.1; allowed for task 'line', .* no classes: 0"):
            LitModel(nn.Linear(1, 1), line, OptimOptions(**{name: 0.1}))

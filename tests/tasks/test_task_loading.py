"""The law of the loaders: what one process sees, n processes see together."""

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler

from hpnets.tasks import Task, create_task
from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.loading import eval_batches
from tests.training.quiet import quiet_trainer


def on_rank(world: int, rank: int, name: str = "line", **options: Any) -> Task:
    """A task as it stands on one of `world` ranks; x of `line` is unique per sample, so it can stand for the row."""
    sizes = {"train_size": 40, "test_size": 37} if name == "line" else {}
    task = create_task(name, **{"batch_size": 6, **sizes, **options})
    loop = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False).fit_loop
    task.trainer = SimpleNamespace(world_size=world, global_rank=rank, fit_loop=loop)  # type: ignore[assignment]
    return task


def batches(loader: DataLoader[Any]) -> list[list[float]]:
    return [x.flatten().tolist() for x, _ in loader]


def flat(lists: Iterable[list[float]]) -> list[float]:
    return [value for values in lists for value in values]


def epochs(task: Task) -> list[list[float]]:
    loader = task.train_dataloader()
    seen = []
    for epoch in range(2):
        cast(DistributedSampler[Any], loader.sampler).set_epoch(epoch)
        seen += batches(loader)
    return seen


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_together_train_on_the_batches_of_one_process(world: int) -> None:
    alone = create_task("line", train_size=40, test_size=37, batch_size=6)
    expected = epochs(alone)
    ranks = [epochs(on_rank(world, rank)) for rank in range(world)]
    assert all(len(batch) == 6 // world for rank in ranks for batch in rank)
    assert [sorted(flat(parts)) for parts in zip(*ranks, strict=True)] == [sorted(batch) for batch in expected]
    first, second = expected[:6], expected[6:]
    assert len(first) == len(second) == 6
    assert first != second
    assert len(set(flat(first))) == 36


def test_the_order_depends_on_the_seed_only() -> None:
    torch.manual_seed(1)
    first = epochs(on_rank(1, 0))
    torch.manual_seed(2)
    assert epochs(on_rank(1, 0)) == first
    rows = [on_rank(1, 0, seed=seed).train_dataloader().sampler for seed in (0, 1)]
    assert list(rows[0]) != list(rows[1])


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [4, 5, 7, 8, 11, 37, 300])
def test_evaluation_deals_every_row_once_in_equally_many_batches(n: int, world: int) -> None:
    for size in (1, 2, 5, 100):
        ranks = [eval_batches(n, size, world, rank) for rank in range(world)]
        assert len({len(rank) for rank in ranks}) == 1, size
        assert sorted(row for rank in ranks for batch in rank for row in batch) == list(range(n)), size
        lengths = [len(batch) for rank in ranks for batch in rank]
        assert min(lengths) >= 1, size
        assert max(lengths) <= max(size, 2 if n % world else 1), size
        assert max(max(map(len, rank)) - min(map(len, rank)) for rank in ranks) <= 1, size
        if size > 1:  # no more batches than the largest share needs
            assert len(ranks[0]) == math.ceil(math.ceil(n / world) / size), size


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_loaders_hold_every_sample_once(part: str, world: int) -> None:
    loaders = [getattr(on_rank(world, rank), f"{part}_dataloader")() for rank in range(world)]
    assert {len(loader) for loader in loaders} == {math.ceil(math.ceil(37 / world) / (6 // world))}
    seen = flat(flat(batches(loader)) for loader in loaders)
    samples = getattr(on_rank(1, 0), f"{part}_dataloader")().dataset
    assert len(seen) == 37
    assert sorted(seen) == sorted(samples.batch(range(37))[0].flatten().tolist())


def test_what_cannot_be_shared_is_refused() -> None:
    for part in ("train", "val", "test"):
        with pytest.raises(ValueError, match="batch_size is 6; allowed: multiples of 4, the ranks"):
            getattr(on_rank(4, 0), f"{part}_dataloader")()
    with pytest.raises(ValueError, match="batch_size is 41; allowed: at most 40"):
        on_rank(1, 0, batch_size=41).train_dataloader()
    with pytest.raises(ValueError, match="devices is 3 in all; allowed: at most 2, the evaluation samples"):
        on_rank(3, 0, test_size=2).val_dataloader()


def test_reading_leaves_the_global_generator_alone() -> None:
    task = on_rank(1, 0)
    before = torch.get_rng_state()
    for loader in (task.train_dataloader(), task.val_dataloader(), task.test_dataloader()):
        batches(loader)
    assert torch.equal(torch.get_rng_state(), before)


def test_worker_processes_change_nothing() -> None:
    expected, loader = epochs(on_rank(1, 0)), on_rank(1, 0, num_workers=1).train_dataloader()
    assert loader.persistent_workers
    assert batches(loader) == expected[:6]


class Recorder(LightningModule):
    """Fits a line and writes down the inputs of every training and validation batch."""

    def __init__(self, task: SupervisedTask) -> None:
        super().__init__()
        self.net, self.task, self.metrics = nn.Linear(1, 1), task, task.metrics()
        self.seen: list[list[float]] = []
        self.validated: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        x, y = batch
        self.seen.append(x.flatten().tolist())
        return self.task.loss(self.net(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        x, y = batch
        self.validated += x.flatten().tolist()
        self.metrics.update(self.net(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), lr=0.01)


@pytest.mark.filterwarnings("ignore")
def test_lightning_reshuffles_each_epoch_in_the_same_way() -> None:
    task = create_task("line", train_size=40, test_size=37, batch_size=6)
    module = Recorder(task)
    trainer = quiet_trainer(max_epochs=2, use_distributed_sampler=False, num_sanity_val_steps=0)
    trainer.fit(module, datamodule=task)
    assert module.seen == epochs(on_rank(1, 0))
    assert len(module.validated) == 2 * 37
    assert len(set(module.validated)) == 37
    assert module.metrics.compute()["mse"] > 0

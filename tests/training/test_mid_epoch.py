"""A run cut in mid-epoch goes on at the step of its last checkpoint, and ends as if it had not been cut."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import dropout

from hpnets.models.ccp import CCP
from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.training import LitModel, RunFolder, train
from hpnets.training.checkpoints import read_checkpoint
from tests.training.runs import assert_same_run, read_rows, small_options, train_until

CCP_FORWARD = CCP.forward


COSINE = OptimOptions(lr=0.01, schedule="cosine", warmup=3, ema=0.9, mixup=0.2, clip=1.0)


def options_of(
    every: int | str = 5, task: dict[str, Any] | None = None, optim: OptimOptions | None = None, **trainer: Any
) -> RunOptions:
    """Two epochs of 9 batches, if nothing else is said."""
    data = {"name": "digits", "batch_size": 132, **(task or {})}
    chosen = TrainerOptions(**{"max_epochs": 2, "accelerator": "cpu", **trainer})
    optim = optim or OptimOptions(lr=0.01)
    return small_options(ntk=NTKOptions(probe=20, every=every), task=data, trainer=chosen, optim=optim)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps at which batches were trained, in order."""
    steps: list[int] = []
    training_step = LitModel.training_step

    def counting(module: LitModel, batch: Any, batch_idx: int) -> Any:
        loss = training_step(module, batch, batch_idx)
        steps.append(module.global_step)
        return loss

    monkeypatch.setattr(LitModel, "training_step", counting)
    return steps


@pytest.mark.parametrize(
    ("options", "cut", "first"),
    [
        (options_of(save_every=4), 6, 4),
        (options_of(save_every=4), 12, 12),
        (options_of(save_every=4), 10, 9),
        (options_of(save_every=4, task={"num_workers": 1}), 16, 16),
        (options_of(save_every=9), 17, 9),
        (options_of(save_every=4, optim=COSINE, task={"augment": "crop"}), 12, 12),
        (options_of(save_every=4, optim=COSINE, task={"augment": "crop", "num_workers": 1}), 16, 16),
        (options_of(save_every="0.000001s", val_every=5), 16, 16),
        (options_of("epoch", save_every=3, val_every="2epochs"), 16, 15),
        (options_of("log", save_every=3, val_every=3), 7, 6),
        (options_of(save_every=2, accumulate_grad_batches=2), 7, 6),
        (options_of(save_every=1, accumulate_grad_batches=4, val_every=1, max_epochs=4), 5, 5),
        (options_of(save_every=4, max_steps=23), 21, 20),
        (options_of(save_every=4, max_steps=23, val_every=4), 20, 20),
        (options_of(save_every=4, max_steps=27), 19, 18),
        (options_of(save_every=2, limit_train_batches=5), 8, 8),
        (options_of(save_every=2, limit_train_batches=0.5, max_epochs=3), 7, 6),
    ],
)
def test_a_cut_run_goes_on_at_its_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[int], options: RunOptions, cut: int, first: int
) -> None:
    """With dropout, whose masks follow the random state."""
    monkeypatch.setattr(CCP, "forward", lambda net, x: dropout(CCP_FORWARD(net, x), training=net.training))
    train(options, tmp_path / "whole")
    whole = list(trained)
    train_until(cut, options, tmp_path / "cut")
    saved = read_checkpoint(RunFolder(tmp_path / "cut").last)
    assert saved["global_step"] == first
    trained.clear()
    train(options, tmp_path / "cut", resume=True)
    assert trained == whole[whole.index(first) :]
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_checkpoint_every_so_often_changes_nothing(tmp_path: Path) -> None:
    """The random state is read, not drawn from; Lightning's own counters are not touched."""
    train(options_of(), tmp_path / "seldom")
    train(options_of(save_every=1), tmp_path / "often")
    for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
        assert (tmp_path / "seldom" / name).read_bytes() == (tmp_path / "often" / name).read_bytes()


def test_validation_comes_as_asked_and_at_the_end(tmp_path: Path) -> None:
    for i, (options, steps) in enumerate(
        [
            (options_of(val_every=4), [4, 8, 12, 16, 18]),
            (options_of(val_every="2epochs", max_epochs=3), [18, 27]),
            (options_of(val_every=2, accumulate_grad_batches=3), [2, 4, 6]),
            (options_of(max_steps=13), [9, 13]),
            (options_of(max_steps=13, val_every="3epochs"), [13]),
        ]
    ):
        train(options, tmp_path / str(i))
        rows = read_rows(tmp_path / str(i))
        assert [int(row["step"]) for row in rows if row["val/loss"]] == steps
        assert max(int(row["step"]) for row in rows) == steps[-1]


def test_a_run_ends_when_its_time_is_over_and_may_be_given_more(tmp_path: Path) -> None:
    """The time of the first part counts; a run whose time is over takes no step more."""
    train(options_of(max_epochs=10_000, max_time="0.3s"), tmp_path / "run")
    rows, last = read_rows(tmp_path / "run"), RunFolder(tmp_path / "run").last
    step = read_checkpoint(last)["global_step"]
    assert 0 < step < 90_000
    assert rows[-1]["val/loss"]
    assert int(rows[-1]["step"]) == step
    train(options_of(max_epochs=10_000, max_time="0.31s"), tmp_path / "run", resume=True)
    assert step <= read_checkpoint(last)["global_step"] < step + 90_000
    train(options_of(max_epochs=10_000, max_time="0.01s"), tmp_path / "run", resume=True)
    assert read_rows(tmp_path / "run")[-1]["step"] == str(read_checkpoint(last)["global_step"])


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path: Path) -> None:
    """3 batches of 44 make the step of one of 132: the same samples, in the same order, and nearly the same weights."""
    train(options_of(), tmp_path / "large")
    train(options_of(task={"batch_size": 44}, accumulate_grad_batches=3), tmp_path / "small")
    large, small = (
        torch.tensor([float(row["ntk/drift"]) for row in read_rows(tmp_path / name) if row["ntk/drift"]])
        for name in ("large", "small")
    )
    assert torch.allclose(large, small, rtol=1e-3)


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"limit_train_batches": 10}, "trainer.limit_train_batches is 10; allowed: at most 9, those of an epoch"),
        ({"accumulate_grad_batches": 10}, "trainer.accumulate_grad_batches is 10; allowed: at most 9, the batches of"),
        (
            {"limit_train_batches": 0.3, "accumulate_grad_batches": 3},
            "accumulate_grad_batches is 3; allowed: at most 2",
        ),
    ],
)
def test_what_the_data_cannot_fill_is_refused(tmp_path: Path, trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(options_of(**trainer), tmp_path / "run")
    assert not (tmp_path / "run").exists()

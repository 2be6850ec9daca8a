"""Augmentation: what it does to an image, and that it is a function of (seed, epoch, sample) alone."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from hpnets.tasks import Task, create_task
from hpnets.tasks.augment import AUGMENTATIONS, Augmented, augmented, register_augmentation
from hpnets.tasks.samples import Samples
from hpnets.training.batch_statistics import training_inputs
from tests.tasks.test_task_loading import on_rank

DIGITS = {"batch_size": 6, "augment": "crop_flip"}


def digits(**options: Any) -> Task:
    task = create_task("digits", **{**DIGITS, **options})
    task.setup()
    return task


def images(*shape: int) -> Samples:
    """Images of pixels that are all different and above 0, of mean 2 and deviation 5 as the normalisation has it."""
    x = torch.arange(1, 1 + torch.Size(shape).numel()).view(shape)
    return Samples(x, torch.arange(len(x)), torch.arange(len(x)), {"mean": [2.0] * shape[1], "std": [5.0] * shape[1]})


def test_a_row_is_as_it_was_and_a_draw_is_a_crop_of_the_bordered_raw_image() -> None:
    samples = images(2, 3, 16, 16)
    data = augmented(samples, "crop_flip", (3, 16, 16), seed=0)
    assert torch.equal(data[1][0], samples[1][0])
    bordered = torch.nn.functional.pad(samples.x[1], (2, 2, 2, 2))
    crops = [bordered[:, i : i + 16, j : j + 16] for i in range(5) for j in range(5)]
    allowed = [(crop - 2.0) / 5.0 for one in crops for crop in (one, one.flip(2))]
    drawn = [data[epoch, 1][0] for epoch in range(60)]
    seen = {next(i for i, crop in enumerate(allowed) if torch.equal(image, crop)) for image in drawn}
    assert len(seen) > 20  # of 50
    assert {i % 2 for i in seen} == {0, 1}
    assert all(data[epoch, 1][1] == 1 for epoch in range(3))


def test_a_draw_is_a_function_of_seed_epoch_and_row() -> None:
    task = digits()
    data = augmented(task.train_set, "crop_flip", (1, 8, 8), seed=3)
    draws = [(epoch, row) for epoch in (0, 1, 7) for row in (2, 5)]
    alone = [data[draw][0] for draw in draws]
    torch.manual_seed(9)
    state = torch.get_rng_state()
    together = [x for x, _ in data.__getitems__(draws[::-1])][::-1]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    other = augmented(task.train_set, "crop_flip", (1, 8, 8), seed=4)
    assert sum(torch.equal(other[draw][0], x) for draw, x in zip(draws, alone, strict=True)) < 3
    assert not all(torch.equal(data[0, row][0], data[1, row][0]) for row in range(9))


def epochs(task: Task, most: int = 3) -> list[tuple[Tensor, Tensor]]:
    """The first batches of two epochs."""
    loader, seen = task.train_dataloader(), []
    for epoch in range(2):
        cast(DistributedSampler[Any], loader.sampler).set_epoch(epoch)
        seen += [batch for batch, _ in zip(loader, range(most), strict=False)]
    return seen


def test_workers_and_ranks_do_not_change_what_is_drawn() -> None:
    """Workers persist over the epochs, so they must be told the epoch with each sample."""
    expected = epochs(digits())
    for (x, y), (x_w, y_w) in zip(expected, epochs(digits(num_workers=2)), strict=True):
        assert torch.equal(x, x_w)
        assert torch.equal(y, y_w)
    ranks = [epochs(on_rank(3, rank, "digits", **DIGITS)) for rank in range(3)]
    for k, (x, _) in enumerate(expected):
        dealt = torch.stack([rank[k][0] for rank in ranks]).transpose(0, 1).flatten(0, 1)
        assert torch.equal(x, dealt)


def test_only_training_batches_are_changed() -> None:
    """Not the probe set, nor what BatchNorm's statistics are estimated on, nor validation and test."""
    task, plain = digits(), digits(augment="none")
    assert torch.equal(task.probe(20).x, plain.probe(20).x)
    for inputs in zip(*(training_inputs(t.train_dataloader()) for t in (task, plain)), strict=True):
        assert torch.equal(*inputs)
    for name in ("val_dataloader", "test_dataloader"):
        for (x, _), (x_plain, _) in zip(getattr(task, name)(), getattr(plain, name)(), strict=True):
            assert torch.equal(x, x_plain)
    x, x_plain = (next(iter(t.train_dataloader()))[0] for t in (task, plain))
    assert not torch.equal(x, x_plain)
    assert isinstance(task.train_dataloader().dataset, Augmented)
    assert plain.train_dataloader().dataset is plain.train_set


def test_one_of_ones_own_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AUGMENTATIONS, "_entries", dict(AUGMENTATIONS.entries))
    register_augmentation("dark")(lambda shape: lambda image: image - torch.randint(1, 3, ()).to(image.dtype))
    data, samples = augmented(images(3, 1, 2, 2), "dark", (1, 2, 2), 0), images(3, 1, 2, 2)
    assert {round(float((samples[0][0] - data[epoch, 0][0]).mean()) * 5) for epoch in range(20)} == {1, 2}
    with pytest.raises(ValueError, match="augment is 'drak'; did you mean dark"):
        create_task("digits", augment="drak")

"""Choices of rows: balanced, proportional, seeded, and without touching the global generator."""

import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from hpnets.tasks import create_task
from hpnets.tasks.loading import collate
from hpnets.tasks.probe import balanced_rows
from hpnets.tasks.samples import Samples, stratified_split


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels_with(*sizes: int) -> Tensor:
    labels = torch.cat([torch.full((size,), c) for c, size in enumerate(sizes)])
    return labels[torch.randperm(len(labels), generator=generator(9))]


@pytest.mark.parametrize(("sizes", "held"), [((50, 30, 20), 10), ((7, 8, 9), 5), ((3,) * 100, 30), ((1, 99), 50)])
def test_a_stratified_split_holds_out_the_proportional_share(sizes: tuple[int, ...], held: int) -> None:
    labels = labels_with(*sizes)
    kept, out = stratified_split(labels, held, generator())
    assert len(out) == held
    assert torch.equal(torch.cat([kept, out]).sort().values, torch.arange(len(labels)))
    assert torch.equal(out, out.sort().values)
    assert torch.equal(kept, kept.sort().values)
    share = torch.tensor(sizes) * held / len(labels)
    counts = labels[out].bincount(minlength=len(sizes))
    assert ((counts - share).abs() < 1).all()


def test_a_stratified_split_is_random_within_a_class_and_seeded() -> None:
    labels = labels_with(200, 200)
    first = stratified_split(labels, 40, generator(1))[1]
    assert torch.equal(first, stratified_split(labels, 40, generator(1))[1])
    assert not torch.equal(first, stratified_split(labels, 40, generator(2))[1])
    chosen = torch.stack(
        [torch.isin(torch.arange(400), stratified_split(labels, 40, generator(s))[1]) for s in range(200)]
    )
    frequency = chosen.float().mean(0)
    assert frequency.min() > 0.0
    assert frequency.max() < 0.25


@pytest.mark.parametrize("n", [1, 3, 4, 10, 29, 30])
def test_balanced_rows_differ_by_at_most_one(n: int) -> None:
    labels = labels_with(10, 10, 10)
    rows = balanced_rows(labels, n, 3, generator())
    counts = labels[rows].bincount(minlength=3)
    assert len(rows.unique()) == n
    assert counts.max() - counts.min() <= 1
    key = labels[rows] * len(labels) + rows
    assert torch.equal(key, key.sort().values)


def test_a_small_probe_is_part_of_a_larger_one() -> None:
    labels = labels_with(20, 30, 25)
    small, large = (set(balanced_rows(labels, n, 3, generator()).tolist()) for n in (10, 40))
    assert small < large


def test_too_few_of_a_class_is_said() -> None:
    labels = labels_with(10, 2, 10)
    counts = labels[balanced_rows(labels, 8, 3, generator())].bincount()
    assert counts.tolist() == [3, 2, 3]
    with pytest.raises(ValueError, match="n is 9; allowed: at most 8, as class 1 has only 2 samples"):
        balanced_rows(labels, 9, 3, generator())


@pytest.mark.parametrize("name", ["digits", "line", "sphere"])
def test_the_probe_neither_reads_nor_moves_the_global_generator(name: str) -> None:
    task = create_task(name)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = task.probe(30)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(task.probe(30).indices, first.indices)


@pytest.mark.parametrize("name", ["digits", "line"])
def test_a_probe_has_between_one_and_all_training_samples(name: str) -> None:
    task = create_task(name)
    task.setup()
    size = len(task.train_set)
    with pytest.raises(ValueError, match="n is 0; allowed: an integer >= 1"):
        task.probe(0)
    with pytest.raises(ValueError, match=f"n is {size + 1}; allowed: a probe of at most {size}"):
        task.probe(size + 1)


def test_the_whole_regression_set_can_be_the_probe() -> None:
    task = create_task("line", train_size=17, batch_size=17)
    x, y, indices = task.probe(17)
    assert torch.equal(indices, torch.arange(17))
    assert torch.equal(x, task.train_set.batch(range(17))[0])
    assert torch.equal(y, task.train_set.labels)


def test_samples_are_normalised_per_channel_and_stay_raw_in_memory() -> None:
    raw = torch.randint(0, 256, (6, 2, 3, 3), dtype=torch.uint8, generator=generator())
    samples = Samples(raw, torch.arange(6), torch.tensor([4, 1]), {"mean": [10.0, 20.0], "std": [2.0, 4.0]})
    x, y = samples[0]
    assert samples.x.dtype == torch.uint8
    assert len(samples) == 2
    assert torch.equal(x[0], (raw[4, 0].float() - 10) / 2)
    assert torch.equal(x[1], (raw[4, 1].float() - 20) / 4)
    assert y == 4
    assert samples.labels.tolist() == [4, 1]
    for one, many in zip([samples[1], samples[0]], samples.__getitems__([1, 0]), strict=True):
        assert torch.equal(one[0], many[0])
        assert torch.equal(one[1], many[1])
    with pytest.raises(IndexError):
        samples[2]


def test_a_fetched_batch_is_what_its_samples_make() -> None:
    """Not stacked anew: the same bits as PyTorch's own collation, and the same memory as was fetched."""
    samples = Samples(torch.randn(6, 2), torch.arange(6), torch.arange(6), {})
    fetched = samples.__getitems__([4, 1, 5])
    assert len(fetched) == 3
    for together, stacked in zip(collate(fetched), default_collate([samples[i] for i in (4, 1, 5)]), strict=True):
        assert torch.equal(together, stacked)
    assert collate(fetched)[0].data_ptr() == fetched.x.data_ptr()
    assert torch.equal(collate([samples[4], samples[1]])[0], fetched.x[:2])

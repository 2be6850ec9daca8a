"""The digits task against scikit-learn's own table."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from hpnets.tasks import create_task


def test_sizes_and_classes_of_the_splits() -> None:
    task = create_task("digits")
    task.setup()
    sets = (task.train_set, task.val_set, task.test_set)
    assert [len(samples) for samples in sets] == [1197, 300, 300]
    whole = torch.as_tensor(load_digits().target).bincount() / 1797
    for samples in sets:
        counts = samples.labels.bincount(minlength=10)
        assert ((counts - whole * len(samples)).abs() < 2).all()
    everything = torch.cat([samples.indices for samples in sets])
    assert torch.equal(everything.sort().values, torch.arange(1797))


def test_samples_are_scikit_learns_digits() -> None:
    task, source = create_task("digits", seed=1), load_digits()
    task.setup()
    (mean,), (std,) = task.preprocessing["mean"], task.preprocessing["std"]
    for samples in (task.train_set, task.val_set, task.test_set):
        x, y = samples.batch(range(len(samples)))
        raw = torch.as_tensor(source.images[samples.indices], dtype=torch.float32).unsqueeze(1)
        torch.testing.assert_close(x * std + mean, raw, atol=1e-5, rtol=0)
        assert y.tolist() == source.target[samples.indices].tolist()


def test_only_the_training_split_decides_the_preprocessing() -> None:
    task = create_task("digits")
    known_before_setup = task.preprocessing
    task.setup()
    x = task.train_set.batch(range(1197))[0]
    assert x.mean().abs() < 1e-5
    assert (x.std(correction=0) - 1).abs() < 1e-5
    everything = torch.as_tensor(load_digits().images)
    assert known_before_setup == task.preprocessing != {"mean": [everything.mean().item()]}
    assert task.preprocessing["mean"] != [everything.mean().item()]
    assert task.preprocessing != create_task("digits", seed=1).preprocessing


def test_the_probe_has_as_many_of_each_digit() -> None:
    task = create_task("digits")
    for n in (10, 64, 100, 1000):
        counts = task.probe(n).y.sum(0)
        assert counts.sum() == n
        assert counts.max() - counts.min() <= 1


def test_a_linear_classifier_learns_the_digits() -> None:
    """Pixels and labels belong together: full-batch gradient descent, which chance (0.1) would fail."""
    task = create_task("digits")
    task.setup()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
    x, y = task.train_set.batch(range(1197))
    for _ in range(40):
        optimiser.zero_grad()
        task.loss(net(x), y).backward()
        optimiser.step()
    metrics = task.metrics()
    for inputs, labels in task.test_dataloader():
        metrics.update(net(inputs), labels)
    assert metrics.compute()["accuracy"] > 0.9

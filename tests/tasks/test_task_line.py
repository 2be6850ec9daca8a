"""The named functions and the regions on which they are learnt and tested."""

import math

import numpy as np
import pytest
import torch

from hpnets.tasks import create_task
from hpnets.tasks.line import LineTask
from hpnets.tasks.targets import TARGETS

X = np.array([[-1.3, 0.4], [0.7, 2.1]])
# Independent numpy forms: of the first column for the one-dimensional targets, else of both.
EXPECTED = {
    "cubic": np.polyval([1, 1, -5, 5], X[:, :1]),
    "cos2x": 1 - 2 * np.sin(X[:, :1]) ** 2,
    "linear": X @ np.ones((2, 1)),
    "quadratic": np.array([[x @ np.array([[1, 0.5], [0.5, 1]]) @ x] for x in X]),
    "l1": np.linalg.norm(X, ord=1, axis=1)[:, None],
    "sqrt": (np.abs(X) ** 0.5).sum(1)[:, None],
    "square": np.linalg.norm(X, axis=1)[:, None] ** 2,
    "cos": np.cos(np.pi * X).sum(1)[:, None],
    "helix": np.concatenate([np.exp(2j * np.pi * X[:, :1]).real, np.exp(2j * np.pi * X[:, :1]).imag], axis=1),
}


def test_every_target_is_checked() -> None:
    assert set(EXPECTED) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_formulas(name: str) -> None:
    target = TARGETS[name]
    x = torch.as_tensor(X[:, :1] if target.only_1d else X)
    y = target.function(x)
    assert y.shape == (2, target.output_dim)
    assert y.dtype == torch.float64
    np.testing.assert_allclose(y.numpy(), EXPECTED[name], atol=1e-12)


@pytest.mark.parametrize("input_dim", [1, 2, 8])
@pytest.mark.parametrize("target", TARGETS)
def test_regions_of_the_splits(target: str, input_dim: int) -> None:
    if TARGETS[target].only_1d and input_dim > 1:
        with pytest.raises(ValueError, match=f"input_dim is {input_dim}; allowed: 1 for target '{target}'"):
            create_task("line", target=target, input_dim=input_dim)
        return
    task = create_task("line", target=target, input_dim=input_dim, train_size=300, test_size=200)
    task.setup()
    (low, high), (low_test, high_test) = TARGETS[target].train_range, TARGETS[target].test_range
    for samples, size in ((task.train_set, 300), (task.val_set, 200)):
        x, y = samples.batch(range(size))
        assert len(samples) == size
        assert x.shape == (size, input_dim)
        assert y.shape == (size, task.output_dim)
        assert (x >= low).all()
        assert (x <= high).all()
        assert x.min() < low + 0.05 * (high - low)
        assert x.max() > high - 0.05 * (high - low)
    x, _ = task.test_set.batch(range(200))
    assert len(task.test_set) == 200
    assert (x >= low_test).all()
    assert (x <= high_test).all()
    assert ((x <= low) | (x >= high)).any(1).all()
    assert (x.min(0).values < low).all()
    assert (x.max(0).values > high).all()


def test_the_reference_intervals() -> None:
    cubic, cos2x = TARGETS["cubic"], TARGETS["cos2x"]
    assert (cubic.train_range, cubic.test_range) == ((-2.5, 2.5), (-5, 5))
    assert cos2x.train_range == pytest.approx((-3 * math.pi / 4, 3 * math.pi / 4))
    assert cos2x.test_range == pytest.approx((-3 * math.pi / 2, 3 * math.pi / 2))


def test_y_belongs_to_x() -> None:
    task = create_task("line", target="cubic")
    task.setup()
    for samples in (task.train_set, task.val_set, task.test_set):
        x, y = samples.batch(range(len(samples)))
        torch.testing.assert_close(y, x**3 + x**2 - 5 * x + 5, rtol=1e-4, atol=1e-4)


def test_own_intervals() -> None:
    task = LineTask("l1", train_range=[0, 1], test_range=[-3.0, 1.0], train_size=100, batch_size=10)
    task.setup()
    x, test = task.train_set.batch(range(100))[0], task.test_set.batch(range(512))[0]
    assert x.min() >= 0
    assert x.max() <= 1
    assert task.train_range == (0.0, 1.0)
    assert test.min() >= -3
    assert test.max() <= 0


def test_noise_is_on_the_training_targets_only() -> None:
    clean, noisy = create_task("line"), create_task("line", noise=0.5)
    clean.setup()
    noisy.setup()
    difference = noisy.train_set.labels - clean.train_set.labels
    assert abs(difference.std().item() - 0.5) < 0.03
    assert abs(difference.mean().item()) < 0.05
    assert torch.equal(noisy.val_set.labels, clean.val_set.labels)
    assert torch.equal(noisy.test_set.labels, clean.test_set.labels)
    assert torch.equal(noisy.train_set.batch([0, 9])[0], clean.train_set.batch([0, 9])[0])


def test_val_and_test_do_not_depend_on_the_training_size() -> None:
    small, large = (create_task("line", target="cos", input_dim=2, train_size=n, batch_size=64) for n in (64, 640))
    for task in (small, large):
        task.setup()
    for a, b in ((small.val_set, large.val_set), (small.test_set, large.test_set)):
        assert torch.equal(a.batch(range(512))[0], b.batch(range(512))[0])

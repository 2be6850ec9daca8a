"""The laws of the points and labels, and what is left to memorise."""

import pytest
import torch

from hpnets.tasks import create_task


def test_points_and_labels_have_their_laws() -> None:
    for points in ("gaussian", "sphere"):
        for labels in ("normal", "sign"):
            task = create_task("gaussian_points", dim=4, points=points, labels=labels, train_size=20_000)
            task.setup()
            x, y = task.train_set.batch(range(20_000))
            assert x.mean(0).abs().max() < 0.03
            assert float(y.mean()) == pytest.approx(0, abs=0.03)
            assert float(y.square().mean()) == pytest.approx(1, abs=0.03)
            assert (x.T @ y / len(x)).abs().max() < 0.03, "labels are independent of points"
            if points == "gaussian":
                torch.testing.assert_close(torch.cov(x.T), torch.eye(4), atol=0.05, rtol=0)
            else:
                torch.testing.assert_close(x.norm(dim=1), torch.ones(len(x)))
            assert (set(y.flatten().tolist()) == {-1.0, 1.0}) == (labels == "sign")


def test_test_points_stay_as_the_training_set_grows() -> None:
    small, large = (create_task("gaussian_points", train_size=n, batch_size=10) for n in (10, 20))
    small.setup()
    large.setup()
    assert torch.equal(small.test_set.batch([0, 299])[0], large.test_set.batch([0, 299])[0])


def test_what_is_left_to_memorise() -> None:
    task = create_task("gaussian_points", dim=3, train_size=50, batch_size=50)
    task.setup()
    x, y = task.train_set.batch(range(50))
    known = {tuple(point): label for point, label in zip(x.tolist(), y.tolist(), strict=True)}
    perfect = task.measures(lambda z: torch.tensor([known[tuple(point)] for point in z.tolist()]))
    assert perfect == {"train_mse": 0.0}
    assert task.measures(torch.zeros_like)["train_mse"] == pytest.approx(float(y.square().mean()))

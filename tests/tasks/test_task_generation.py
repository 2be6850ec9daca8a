"""GenerationTask: real pictures, fixed latents, distances and the picture of a known generator."""

import pytest
import torch
from torch import Tensor

from hpnets.tasks import create_task
from hpnets.tasks.frechet import frechet_distance
from hpnets.tasks.generation import GenerationTask
from tests.tasks.conftest import MakeTask


def task_of(name: str = "digits", latent: int = 6, **options: object) -> GenerationTask:
    task = GenerationTask(create_task(name, **options), latent)
    task.setup()
    return task


def test_shapes_and_batches_are_those_of_the_pictures() -> None:
    task = task_of(batch_size=32)
    assert (task.name, task.input_shape, task.output_dim, task.picture_shape) == ("digits", (6,), 64, (1, 8, 8))
    x, y = next(iter(task.train_dataloader()))
    assert x.shape == (32, 1, 8, 8)
    assert y.shape == (32,)
    source = create_task("digits")
    source.setup()
    assert torch.equal(task.val_set.batch(range(5))[0], source.val_set.batch(range(5))[0])


def test_an_epoch_is_whole_passes_over_the_pictures() -> None:
    task = task_of()
    rows, counts = task.train_indices.unique(return_counts=True)
    assert len(rows) == 1197
    assert set(counts.tolist()) == {10}


def test_a_large_set_is_passed_over_once(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_task("mnist")
    monkeypatch.setattr("hpnets.tasks.generation.EPOCH", len(source.train_set) // 3)
    task = GenerationTask(source, 4)
    task.setup()
    assert torch.equal(task.train_indices, source.train_indices)


def test_latents_are_fixed_by_the_seed() -> None:
    task = task_of()
    x, y, indices = task.probe(9)
    torch.manual_seed(5)
    assert torch.equal(task.latents(9), x)
    assert not torch.equal(task_of(seed=1).latents(9), x)
    assert x.shape == (9, 6)
    assert y is None
    assert indices is None
    with pytest.raises(ValueError, match="n is 0; allowed: an integer >= 1"):
        task.probe(0)


def test_the_distance_of_real_pictures_is_the_floor() -> None:
    """A generator that hands out training pictures is as near as the floor, one of another constant is far."""
    task = task_of()
    real, train = (s.batch(range(300))[0] for s in (task.test_set, task.source.train_set))
    measured = task.measures(lambda z: train[: len(z)].flatten(1))
    assert measured["frechet"] == pytest.approx(measured["frechet_floor"])
    raw = [x * task.source.train_set.std + task.source.train_set.mean for x in (train, real)]
    assert measured["frechet_floor"] == pytest.approx(frechet_distance(*(x.flatten(1) for x in raw)), rel=1e-5)
    constant = task.measures(lambda z: torch.zeros(len(z), 64))
    assert constant["frechet"] > 10 * measured["frechet_floor"]
    perfect = task.measures(lambda z: real[: len(z)].flatten(1))
    assert perfect["frechet"] == pytest.approx(0, abs=1e-3)


def test_features_see_pictures_in_raw_units() -> None:
    seen: list[Tensor] = []

    def features(x: Tensor) -> Tensor:
        seen.append(x)
        return x.flatten(1)[:, :5]

    task = GenerationTask(create_task("digits"), 6, ("mine", features))
    task.setup()
    task.measures(lambda z: torch.zeros(len(z), 64))
    assert task.features == "mine"
    assert torch.equal(seen[0].round(), task.test_set.x[task.test_set.indices[:300]].float())
    assert float(seen[0].max()) == pytest.approx(16, abs=1e-4)


def test_the_picture_is_eight_by_eight_pictures_between_black_and_white() -> None:
    task = task_of()
    real, _ = task.train_set.batch(range(64))
    picture = task.picture(lambda z: real.flatten(1))
    assert picture.shape == (3, 4 * 73, 4 * 73)
    raw = task.source.train_set.x[task.source.train_indices[:2], 0].float() / 16
    assert torch.allclose(picture[0, 4:36:4, 4:36:4], raw[0], atol=1e-6)
    assert torch.allclose(picture[0, 4:36:4, 40:72:4], raw[1], atol=1e-6)
    assert task.picture(lambda z: 100 * real.flatten(1)).max() == 1


@pytest.mark.parametrize("name", ["line", "sphere", "image_fit"])
def test_tasks_without_pictures_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"task '{name}' has no pictures to generate; allowed: tasks of square"):
        task_of(name)


def test_a_latent_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="latent is 0; allowed: an integer >= 1"):
        task_of(latent=0)

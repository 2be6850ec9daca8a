"""image_fit: its pixels, its bands, and runs on it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from hpnets.options import NTKOptions, TrainerOptions
from hpnets.tasks import create_task
from hpnets.tasks.image_fit import ImageFitTask, band_errors, load_picture
from hpnets.training import RunFolder, evaluate, load_run, train
from tests.training.runs import read_rows, small_options

COORDINATE_NETS = ("mfn_fourier", "mfn_gabor", "bacon", "poly_inr", "siren", "fourier_features", "mlp", "ccp")


def task_of(size: int = 16, image: str = "china", seed: int = 0) -> ImageFitTask:
    task = create_task("image_fit", image=image, size=size, seed=seed)
    assert isinstance(task, ImageFitTask)
    task.setup()
    return task


@pytest.mark.parametrize("image", ["china", "flower"])
def test_a_pixel_is_the_mean_of_its_block(image: str) -> None:
    raw = np.asarray(load_sample_image(f"{image}.jpg"), dtype=np.float64)
    assert raw.shape == (427, 640, 3)
    whole = load_picture(image, 427).double().permute(1, 2, 0).numpy()
    assert np.allclose(whole, raw[:, 106:533] / 127.5 - 1, atol=1e-6)
    small = load_picture(image, 61).double()  # 427 = 7 * 61
    expected = torch.from_numpy(whole[:7, 7:14].mean((0, 1)))
    assert torch.allclose(small[:, 0, 1], expected, atol=1e-6)


def test_coordinates_are_the_centres_of_the_pixels_and_y_their_colour() -> None:
    task = task_of(8)
    x, y = task.train_set.batch([0, 1, 4])
    assert torch.allclose(x, torch.tensor([[-7 / 8, -7 / 8], [-3 / 8, -7 / 8], [-7 / 8, -3 / 8]]))
    assert torch.equal(y, torch.stack([task.target[:, 0, 0], task.target[:, 0, 2], task.target[:, 2, 0]]))


@pytest.mark.parametrize("size", [8, 16, 17])
def test_training_sees_every_second_pixel_and_no_other(size: int) -> None:
    task = task_of(size)
    rows, columns = task.train_indices // size, task.train_indices % size
    assert not (rows % 2).any()
    assert not (columns % 2).any()
    assert len(task.train_set) == ((size + 1) // 2) ** 2
    assert len(task.train_set) + len(task.val_set) + len(task.test_set) == size**2
    assert len(task.val_set) == (size**2 - len(task.train_set)) // 4


def test_the_seed_shares_out_the_other_pixels_only() -> None:
    first, other = task_of(), task_of(seed=1)
    assert torch.equal(first.train_indices, other.train_indices)
    assert not torch.equal(first.val_set.indices, other.val_set.indices)


def wave(size: int, k: int) -> Tensor:
    """cos(2 pi k column / size) on three channels."""
    return torch.cos(2 * math.pi * k * torch.arange(size) / size).expand(3, size, size)


def test_bands_part_at_the_nyquist_frequency_of_the_grid() -> None:
    """Of 16 columns training sees 8, whose Nyquist frequency is 4 cycles a picture."""
    target = wave(16, 3) + wave(16, 4)
    assert band_errors(target, target) == {"low_band_error": 0, "high_band_error": 0}
    measured = band_errors(wave(16, 3), target)
    assert measured["low_band_error"] == pytest.approx(0, abs=1e-6)
    assert measured["high_band_error"] == pytest.approx(1, abs=1e-6)
    measured = band_errors(wave(16, 3) / 2 + 3 * wave(16, 4), target)
    assert measured == pytest.approx({"low_band_error": 0.5, "high_band_error": 2.0}, abs=1e-6)
    rows = band_errors(wave(16, 3).transpose(1, 2), target.transpose(1, 2))
    assert rows["high_band_error"] == pytest.approx(1, abs=1e-6)


def test_band_errors_sum_to_the_error_of_the_pixels() -> None:
    """Parseval: the two bands' errors, weighted by their power, are the relative error in pixel space."""
    target, fit = task_of().target.double(), torch.randn(3, 16, 16, dtype=torch.float64)
    errors, silence = band_errors(fit, target), torch.zeros_like(target)
    k = torch.fft.fftfreq(16).abs()
    high = torch.maximum(k[:, None], k) >= 0.25
    power = torch.fft.fft2(target).abs().square()
    total = (
        errors["low_band_error"] ** 2 * power[:, ~high].sum() + errors["high_band_error"] ** 2 * power[:, high].sum()
    )
    assert float(total / 16**2) == pytest.approx(float((fit - target).square().sum()))
    assert band_errors(silence, target) == pytest.approx({"low_band_error": 1, "high_band_error": 1})


class Lookup(torch.nn.Module):
    """The colour of the nearest pixel, shifted by a constant."""

    def __init__(self, task: ImageFitTask, shift: float) -> None:
        super().__init__()
        self.target, self.size = task.target, task.size
        self.shift = torch.nn.Parameter(torch.tensor(shift))

    def forward(self, x: Tensor) -> Tensor:
        column, row = ((x + 1) * self.size / 2 - 0.5).round().long().unbind(1)
        return self.target[:, row, column].T + self.shift


def test_psnr_by_hand_and_the_picture_of_a_known_function() -> None:
    task = task_of()
    results = evaluate(Lookup(task, 0.1), task)
    assert results["test/loss"] == pytest.approx(0.01, rel=1e-4)
    assert results["test/psnr"] == pytest.approx(10 * math.log10(4 / 0.01), rel=1e-4)
    assert 0 < results["test/low_band_error"] < 0.2
    assert results["test/high_band_error"] == pytest.approx(0, abs=1e-5)
    picture = task.picture(Lookup(task, 0.0))
    assert torch.allclose(picture, torch.cat([task.target, task.target], 2) / 2 + 0.5)


@pytest.mark.parametrize("name", COORDINATE_NETS)
def test_a_run_learns_and_leaves_its_picture(name: str, tmp_path: Path) -> None:
    options = small_options(
        model={"name": name, **({"omega": 5.0} if name == "siren" else {})},
        task={"name": "image_fit", "size": 16, "batch_size": 16},
        ntk=NTKOptions(every="off", probe=5),
        trainer=TrainerOptions(max_epochs=5, accelerator="cpu"),
    )
    train(options, tmp_path / "run")
    track = [float(row["val/psnr"]) for row in read_rows(tmp_path / "run") if row["val/psnr"]]
    assert track[-1] > track[0] + 0.2
    net, task, summary = load_run(tmp_path / "run")
    assert isinstance(task, ImageFitTask)
    assert {"test/psnr", "test/low_band_error", "test/high_band_error"} <= set(summary["metrics"])
    with Image.open(RunFolder(tmp_path / "run").picture) as file:
        picture = np.asarray(file).transpose(2, 0, 1) / 255
    assert np.abs(picture - task.picture(net).detach().numpy()).max() < 0.51 / 255

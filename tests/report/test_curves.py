"""curves.svg from a run folder written by hand."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from hpnets.atomic_files import write_tensors, write_text
from hpnets.report import draw_curves
from hpnets.report.curves import read_metrics

CLASSIFICATION = """step,ntk/cosine_drift,ntk/drift,test/accuracy,train/loss,val/accuracy,val/loss
0,0.0,0.0,,,,
10,,,,2.1,,
19,0.01,0.2,,,0.8,1.9
38,0.02,0.3,0.91,1.1,0.9,1.0
"""
REGRESSION = "step,train/loss,val/loss,val/mse\n5,1.0,0.9,0.9\n10,0.5,0.4,0.4\n"


def write_run(folder: Path, metrics: str, measurements: int) -> Path:
    write_text(folder / "metrics.csv", metrics)
    if measurements:
        spectra = torch.linspace(3, 0, 5, dtype=torch.float64).expand(measurements, -1) - 1e-3
        tensors = {"steps": torch.arange(measurements) * 19, "spectra": spectra}
        write_tensors(folder / "ntk.safetensors", tensors)
    return folder


def texts(svg: Path) -> str:
    """The texts of the picture, a line each."""
    root = ElementTree.parse(svg).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return "\n".join("".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text"))


@pytest.mark.parametrize("measurements", [1, 2, 3, 40])
def test_a_classification_run(tmp_path: Path, measurements: int) -> None:
    path = draw_curves(write_run(tmp_path / "ccp-digits", CLASSIFICATION, measurements))
    assert path == tmp_path / "ccp-digits" / "curves.svg"
    words = texts(path).splitlines()
    for title in ("loss", "accuracy", "kernel drift from initialisation", "kernel spectrum", "ccp-digits"):
        assert title in words
    for label in ("train/loss", "val/loss", "val/accuracy", "ntk/drift", "ntk/cosine_drift", "step 0"):
        assert label in words
    assert f"step {19 * (measurements - 1)}" in words
    assert sum(word.startswith("step ") for word in words) == min(measurements, 6)


def test_a_run_with_curvature(tmp_path: Path) -> None:
    """The threshold is infinite while the rate is 0, and there is no preconditioner before Adam's first step."""
    rows = "step,curvature/gauss_newton_share,curvature/sharpness,curvature/sharpness_raw,curvature/threshold\n"
    words = texts(draw_curves(write_run(tmp_path, f"{rows}0,,,5.0,inf\n9,0.9,7.0,4.0,38000\n", 0))).splitlines()
    assert {"sharpness", "curvature/sharpness", "curvature/threshold", "curvature/gauss_newton_share"} <= set(words)
    assert "sharpness" not in texts(draw_curves(write_run(tmp_path, REGRESSION, 0)))


def test_a_regression_run_without_a_kernel(tmp_path: Path) -> None:
    words = texts(draw_curves(write_run(tmp_path, REGRESSION, 0))).splitlines()
    assert {"mse", "val/mse", "kernel not tracked"} <= set(words)
    assert "accuracy" not in words
    assert not any(word.startswith("ntk/") for word in words)


def test_a_run_that_fits_a_picture(tmp_path: Path) -> None:
    words = texts(draw_curves(write_run(tmp_path, "step,val/psnr\n5,20.5\n10,-1.5\n", 0)))
    assert {"PSNR in dB", "val/psnr"} <= set(words.splitlines())


def test_a_run_that_generates_pictures(tmp_path: Path) -> None:
    metrics = "step,train/critic_loss,train/loss,val/frechet\n9,1.3,0.7,\n18,,,600.5\n36,,,90.25\n"
    words = texts(draw_curves(write_run(tmp_path, metrics, 0)))
    assert {"Frechet distance", "val/frechet", "train/critic_loss"} <= set(words.splitlines())


def test_a_run_that_ended_at_once(tmp_path: Path) -> None:
    words = texts(draw_curves(write_run(tmp_path, "step\n", 0))).splitlines()
    assert {"loss", "accuracy", "kernel not tracked"} <= set(words)


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a$_{$b", CLASSIFICATION, 2)
    assert "a$_{$b" in texts(draw_curves(folder))


def test_no_metrics(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no such file: {tmp_path}/metrics.csv"):
        draw_curves(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_metrics_are_read_without_the_gaps(tmp_path: Path) -> None:
    write_text(tmp_path / "metrics.csv", CLASSIFICATION)
    rows = read_metrics(tmp_path / "metrics.csv")
    assert rows[1] == {"step": 10, "train/loss": 2.1}
    assert len(rows) == 4

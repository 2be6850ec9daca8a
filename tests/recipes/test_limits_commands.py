"""recipes/bench/limits/__main__.py, run as its users run it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hpnets.models import create_model
from hpnets.theory import init_variances, limit_kernel
from recipes.bench.limits import convergence, equivalence, speed
from recipes.bench.limits.cases import CASES
from recipes.bench.process import Worker
from recipes.bench.worker import Job
from tests.in_process import ROOT, run_module


def run(*flags: str) -> int:
    """Exit status of `python -m recipes.bench.limits flags`, run in this process."""
    return run_module("recipes.bench.limits", *flags)


def test_a_quick_run_writes_numbers_and_a_page_and_keeps_other_families(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--quick", "--seeds", "2"]
    assert not run("convergence", "--families", "ccp", *out)
    assert not run("convergence", "--families", "bilinear,pnn", "--keep", *out)
    record = json.loads((tmp_path / "convergence.json").read_text())
    assert set(record["measured"]) == {"ccp", "bilinear", "pnn"}
    assert [len(errors) for errors in record["measured"]["pnn"]["errors"].values()] == [2, 2]
    assert record["environment"]["versions"]["torch"]
    assert not run("parity", "--out", str(tmp_path))
    page = (tmp_path / "README.md").read_text()
    assert "| bilinear |  | 1 | 2 | 16 |" in page
    first, second = (f"convergence --families {names}" for names in ("ccp", "bilinear,pnn"))
    assert record["command"].index(first) < record["command"].index(" && ") < record["command"].index(second)
    assert f"{first} --out {tmp_path} --quick --seeds 2 &&\npython -m recipes.bench.limits {second}" in page
    assert "| gelu | " in page
    worst = max(
        max(pair) for pair in json.loads((tmp_path / "parity.json").read_text())["measured"]["differences"].values()
    )
    assert 0 < worst < 1e-8


def test_eigenvalues_are_those_of_40_digits_within_the_error_that_is_reported(tmp_path: Path) -> None:
    assert not run("eigenvalues", "--out", str(tmp_path))
    record = json.loads((tmp_path / "eigenvalues.json").read_text())["measured"]
    assert {tuple(map(int, key.split()[1:])) for key in record} == {(d, k) for d in (3, 5, 10) for k in (8, 16, 32, 64)}
    assert all(one["relative_error"] <= one["reported_error"] for one in record.values())
    assert record["two_layer 3 8"]["relative_error"] < 1e-12
    page = (tmp_path / "README.md").read_text()
    assert f"| two_layer | 3 | 8 | {record['two_layer 3 8']['ours']:.16e} | 5.79833984375" in page
    recorded = json.loads((ROOT / "docs" / "results" / "limits" / "eigenvalues.json").read_text())["measured"]
    assert {key: one["exact"] for key, one in recorded.items()} == {key: one["exact"] for key, one in record.items()}


def test_a_command_that_is_run_again_is_listed_once(tmp_path: Path) -> None:
    flags = ["convergence", "--families", "ccp", "--out", str(tmp_path), "--quick", "--seeds", "1", "--keep"]
    assert not run(*flags)
    assert not run(*flags)
    assert json.loads((tmp_path / "convergence.json").read_text())["command"].count("convergence") == 1


@pytest.mark.parametrize("name", ["resnet18", "se_resnet", "pinet", "pdc", "rpolynet"])
def test_scaled_points_give_residual_nets_one_limit_at_every_width(name: str) -> None:
    """But for biases of variance 1 / (3 fan_in), which are not scaled: the read-out's, those of se_resnet's gate."""
    case = CASES[name]

    def limit(m: int, points_for: int) -> torch.Tensor:
        net, x = case.build(m, 0), case.points(2, points_for)
        return limit_kernel(net, x).ntk - init_variances(net, x)["fc.bias"]

    narrow, wide, unscaled = limit(16, 16), limit(32, 32), limit(32, 16)
    torch.testing.assert_close(narrow, wide, rtol=0.02 if name == "se_resnet" else 1e-10, atol=0)
    assert float((unscaled - narrow).norm() / narrow.norm()) > 0.1
    assert case.points_scale == ("0.5 " if name == "pdc" else "") + f"sqrt(m/{case.natural})"
    assert CASES["film"].points_scale == "0.4"
    torch.testing.assert_close(CASES["film"].points(), 0.4 * CASES["cnn"].points())


def test_families_are_measured_with_their_own_seeds_and_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "error", lambda case, width, seed: width**-0.5)
    measured = convergence.measure("resnet18")
    assert {width: len(errors) for width, errors in measured["errors"].items()} == dict.fromkeys(
        ("16", "32", "64", "128"), 16
    )
    assert measured["points"] == "sqrt(m/64)"
    assert len(convergence.measure("mlp", widths=(16, 32))["errors"]["16"]) == 8


def test_the_table_of_the_equivalence() -> None:
    each = [{"lazy/moved": 0.5, "lazy/net_kernel": gap, "lazy/net_linear": 2 * gap} for gap in (0.01, 0.03)]
    assert equivalence.table({"distances": {"1024": each}, "slope": -0.5}).splitlines()[2:] == [
        "| 1,024 | 2 | 0.5 +- 0 | 0.02 +- 0.01 | 0.04 +- 0.03 |",
        "",
        "Slope of the gap to the predictor: -0.50.",
    ]


def test_the_table_of_speed() -> None:
    """Median of each side with the least and the greatest, whatever the order of the calls."""
    mlp = {
        "seconds": {"hpnets": [3.0, 1.0, 2.0], "neural-tangents": [4.0, 8.0, 5.0]},
        "peak_bytes": {"hpnets": 1.5e9, "neural-tangents": 2_000_000_000},
        "relative_difference": 2.5e-15,
    }
    assert speed.table({"points": 2000, "nets": {"mlp": mlp}}).splitlines() == [
        "N = 2,000.",
        "",
        "| net | by | seconds | peak MB | kernels apart |",
        "| --- | --- | --- | --- | --- |",
        "| MLP of 4 hidden ReLU layers | hpnets | 2 (1 - 3) | 1,500 | 2.5e-15 |",
        "| MLP of 4 hidden ReLU layers | neural-tangents | 5 (4 - 8) | 2,000 | 2.5e-15 |",
    ]


def test_a_side_of_the_race_computes_both_kernels_of_the_points(tmp_path: Path) -> None:
    x = np.random.RandomState(1).randn(4, 3)
    np.savez(tmp_path / "x.npz", x=x)
    job = Job("pnn", str(tmp_path / "x.npz"), 3)
    with Worker("ours.limit", job) as side:
        answer = side.call(tmp_path / "kernels.npy")
    net = create_model("pnn", input_shape=(3,), output_dim=1, width=8, degree=4)
    kernels = limit_kernel(net, torch.from_numpy(x[:3]))
    np.testing.assert_allclose(np.load(tmp_path / "kernels.npy"), np.stack([*kernels]), rtol=1e-12)
    assert answer["resident_bytes"] > answer["peak_bytes"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["convergence", "--quick"], "--quick measures nothing that belongs in docs/results/limits"),
        (["equivalence", "--quick"], "--quick measures nothing that belongs in docs/results/limits"),
        (["convergence", "--families", "cpp", "--out", "x"], "unknown family 'cpp'; did you mean"),
        (["convergence", "--seeds", "0", "--out", "x"], "seeds is 0; allowed: 1 and more"),
        (["speed", "--venv", "nowhere", "--out", "x"], "no such file: nowhere/bin/python"),
    ],
)
def test_bad_flags_are_one_line(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*flags)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

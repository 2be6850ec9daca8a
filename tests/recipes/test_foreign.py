"""recipes/bench: contenders on foreign networks, how they are timed, the page of ratios; the calibration."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes.bench import foreign
from recipes.bench.calibrate import measure
from recipes.bench.contenders import LOOP, OURS, PASSES, UNPROVEN, algorithm_names
from recipes.bench.foreign import (
    IN_TURN,
    MANY,
    NETS,
    SELECTIONS,
    Race,
    is_rival,
    number_of_rounds,
    number_of_samples,
    patience,
    run_selection,
    time_in_turn,
    time_passes,
)
from recipes.bench.foreign_page import page, regret, slowness, targets
from recipes.bench.peers.torch_func_jacobian import JacobianKernel, Way
from recipes.bench.rates import RATES, Rate
from recipes.checks.networks import LARGE, NETWORKS, build
from recipes.checks.reference import contract, loop_jacobian
from tests.in_process import run_module

RACE = Race("", samples=4, outputs=3, repeats=2, threads=1, budget=60.0, limit=60.0, venvs=".")


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 2, 4, 4)


@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("way", [Way(2, True), Way(2, False), Way(5, True), Way(32, False)])
def test_torch_funcs_jacobian_in_every_way(net: nn.Module, x: Tensor, way: Way, trace: bool) -> None:
    kernel = JacobianKernel(net, x, way, trace)()
    assert torch.allclose(kernel, contract(loop_jacobian(net, x), trace), rtol=1e-4, atol=1e-5)


def test_contenders_compute_the_kernel_of_the_loop(net: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "LEAST", 60.0)
    assert {"structured", "jacobian"} <= set(algorithm_names())
    assert "auto" not in algorithm_names()
    for trace in (False, True):
        results = run_selection(net, x, trace, RACE)
        assert {name for name, result in results.items() if "failed" in result} <= {"TorchJD"}  # not installed here
        assert {LOOP, OURS, "vmap(jacrev)", "algorithm structured"} <= set(results)
        assert max(result["error"] for result in results.values() if "error" in result) < 1e-5
        assert results[OURS]["median"] > 0


def test_the_passes_alone_are_timed_on_a_copy(net: nn.Module, x: Tensor) -> None:
    timed = time_passes(net, x, RACE)
    assert len(timed["seconds"]) == RACE.repeats
    assert min(timed["seconds"]) > 0
    assert all(p.requires_grad for p in net.parameters())


def test_full_and_trace_are_timed_in_turn(net: nn.Module, x: Tensor) -> None:
    times = time_in_turn(net, x, RACE)
    assert [len(times[selection]) for selection in SELECTIONS] == [RACE.repeats] * 2


def fake(seconds: float, factor: float = 1.0) -> Callable[..., Callable[[], Tensor]]:
    """A contender whose kernel is the identity times a factor."""

    def setup(*_: Any) -> Callable[[], Tensor]:
        def compute() -> Tensor:
            time.sleep(seconds)
            return factor * torch.eye(3)

        return compute

    return setup


def test_what_is_not_timed_says_why(net: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    field = {LOOP: fake(0.01), OURS: fake(0.01), "late": fake(9.0), "other": fake(0.0, 2.0)}
    monkeypatch.setattr(foreign, "contenders", lambda: field)
    race = Race("", 4, 3, repeats=3, threads=1, budget=60.0, limit=0.5, venvs=".")
    results = run_selection(net, x, False, race)
    assert results["late"] == {"failed": "TimeoutError: stopped after 0.5 s"}
    assert results["other"]["failed"] == "computes another kernel, off by 1e+00"
    assert "seconds" not in results["other"]
    assert len(results[OURS]["seconds"]) == 3
    assert patience("algorithm a", {OURS: {"first": 0.5}}, 60.0) == 2.0
    assert patience("algorithm a", {OURS: {"first": 0.01}}, 60.0) == 1.0  # seconds
    assert patience(OURS, {LOOP: {"first": 0.5}}, 60.0) == 60.0


def test_a_long_call_is_timed_by_the_second_and_a_very_long_one_by_the_first(
    net: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {LOOP: [0.4], OURS: [0.15, 0.1], UNPROVEN: [0.01] * 9}  # the seconds of each call

    def setup_of(name: str) -> Callable[..., Callable[[], Tensor]]:
        left = iter(calls[name])

        def compute() -> Tensor:
            time.sleep(next(left))
            return torch.eye(3)

        return lambda net, x, trace: compute

    monkeypatch.setattr(foreign, "contenders", lambda: {name: setup_of(name) for name in calls})
    monkeypatch.setattr(foreign, "LONG", 0.05)
    monkeypatch.setattr(foreign, "ONCE", 0.3)
    results = run_selection(net, x, False, RACE)
    assert results[LOOP]["seconds"] == [results[LOOP]["first"]]
    assert results[OURS]["seconds"] == [results[OURS]["again"]]
    assert 0.1 <= results[OURS]["median"] < 0.15
    assert len(results[UNPROVEN]["seconds"]) == RACE.repeats


def test_what_may_be_the_fastest_makes_rounds() -> None:
    again = {LOOP: 9.0, "vmap(jacrev)": 3.0, "TorchJD": 4.0, OURS: 2.5, UNPROVEN: 1.0}
    again |= {"algorithm structured": 1.0, "algorithm jacobian": 3.0}
    assert [name for name in again if not is_rival(name, again)] == [LOOP, "algorithm jacobian"]
    race = Race("", 4, 3, repeats=11, threads=1, budget=2.0, limit=60.0, venvs=".")
    assert [number_of_rounds(seconds, race) for seconds in (0.01, 0.25, 3.0)] == [11, 8, 5]


def test_a_kernel_as_near_to_float64_as_the_loop_is_timed(
    net: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loop(_: nn.Module, x: Tensor, trace: bool) -> Callable[[], Tensor]:
        return lambda: torch.eye(3) if x.dtype == torch.float64 else 1.001 * torch.eye(3)

    field = {LOOP: loop, OURS: fake(0.01, 0.9985), "other": fake(0.01, 0.99)}
    monkeypatch.setattr(foreign, "contenders", lambda: field)
    results = run_selection(net, x, False, RACE)
    assert results[OURS]["error"] == pytest.approx(1.5e-3, rel=1e-3)
    assert results[OURS]["median"] > 0
    assert results["other"]["failed"] == "computes another kernel, off by 1e-02"


def timed(**seconds: float) -> dict[str, Any]:
    names = {"ours": OURS, "unproven": UNPROVEN, "loop": LOOP, "jacrev": "vmap(jacrev)"}
    names |= {"structured": "algorithm structured", "jacobian": "algorithm jacobian"}
    return {names[key]: {"median": value, "seconds": [value, value]} for key, value in seconds.items()}


def test_the_page_holds_the_targets_against_the_ratios() -> None:
    full = timed(ours=1.1, unproven=1.0, loop=8.0, jacrev=4.0, structured=0.5, jacobian=2.0)
    trace = timed(ours=3.0, unproven=2.0, loop=1.0) | {"TorchJD": {"failed": "ValueError: a|b. More"}}
    record = {"full": full, "trace": trace, PASSES: {"median": 0.5}, "parameters": 2_500_000, "commit": "c"}
    record[IN_TURN] = {"full": [0.5, 0.4, 0.6], "trace": [1.0, 0.9, 3.0]}
    assert slowness(record, "full", proven=False) == 0.25
    assert slowness(record, "trace", proven=True) == 3.0
    assert regret(record, "full") == 2.0
    text = targets({"n": record})
    assert "at most 1.05 | 2.00 | n trace (2.00) |" in text
    assert "at most 1.15 | 3.00 | n trace (3.00) |" in text
    assert "at least 3 | 2.25 | **missed** |" in text
    assert "by the passes alone, in the median | 5.00 |" in text
    assert "trace over full, at most 1.05 | 2.00 | n (2.00) |" in text
    assert "regret, at most 1.3 | 2.00 | n full (2.00), n trace (not measured) |" in text
    environment = {"date": "d", "device": "D", "versions": {"torch": "2"}, "load": 0.1}
    settings = {"samples": 12, "outputs": 10, "limit": 60.0, "rounds": 11}
    networks = {"torch/lstm": record, "timm/resnet18": record}
    results = {"command": "run", "environment": environment, "settings": settings, "networks": networks}
    other = {**results, "environment": {**environment, "device": "E"}, "networks": {"torch/lstm": record}}
    whole = page([results, other])
    assert whole.count("# hpnets on other") == 1
    assert "\n## D\n" in whole
    assert f"### Networks cut down: 1 of 16\n\n{targets({'torch/lstm': record})}" in whole.partition("\n## E\n")[2]
    assert f"### Networks as published: 1 of 20\n\n{targets({'timm/resnet18': record})}" in whole
    full_row = "1.10 | vmap(jacrev) 4.00 | 3.64 | 4.00 | 8.00 | 2.00"
    trace_row = "3.00 | loop 1.00 | 0.33 | 0.50 | 2.00 | "
    assert f"| torch/lstm | {full_row} | {trace_row} | 2.00 |" in whole
    assert "| torch/lstm, 2.50 M | 3.00 (3.00 - 3.00) |" in whole
    assert "| ValueError: a\\|b |" in whole


def test_a_large_network_takes_half_of_the_samples() -> None:
    assert [number_of_samples(parameters, RACE) for parameters in (MANY, MANY + 1)] == [4, 2]
    assert number_of_samples(MANY + 1, replace(RACE, samples=2)) == 2


def test_a_network_without_results_is_named_as_not_measured() -> None:
    assert "n full (not measured)" in targets({"n": {"ended": "stopped after 9 s"}})


def test_the_foreign_networks_are_those_of_the_sweep() -> None:
    assert len(set(NETS)) >= 20
    assert set(NETS) - set(NETWORKS) == set(LARGE)
    net, shape = build("torch/transformer_encoder", 10, torch.float32)
    assert net(torch.zeros(2, *shape)).shape == (2, 10)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--nets", "torch/lstn"), "unknown network 'torch/lstn'; did you mean torch/lstm"),
        (("--quick",), "give another --out"),
        (("--quick", "--out", "none", "--venvs", "none"), "make it: python -m venv none/torchjd"),
    ],
)
def test_a_mistake_is_one_line(flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("recipes.bench", "foreign", *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("unit", "least", "greatest"), [("s", 0.005, 1.0), ("B/s", 4.0, 200.0)])
def test_a_rate_is_in_its_unit(unit: str, least: float, greatest: float) -> None:
    values = measure(Rate("r", "", unit, lambda *_: (lambda: time.sleep(0.01), 2.0)), torch.float32, 0.1)
    assert len(values) >= 3
    assert all(least <= value <= greatest for value in values)


def test_calibration_writes_constants_for_both_dtypes(tmp_path: Path) -> None:
    assert run_module("recipes.bench", "calibrate", "--quick", "--threads", "1", "--out", str(tmp_path)) == 0
    (path,) = tmp_path.glob("*.json")
    record = json.loads(path.read_text())
    assert set(record["results"]["constants"]) == {"float32", "float64"}
    for constants in record["results"]["constants"].values():
        assert set(constants) == {rate.name for rate in RATES}
        assert min(constants.values()) > 0
    assert record["environment"]["threads"] == 1
    text = (tmp_path / "README.md").read_text()
    assert all(f"| `{rate.name}` |" in text for rate in RATES)

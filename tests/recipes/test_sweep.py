"""recipes/checks: the reference, work in processes, the networks, verdicts, the page, and the sweep itself."""

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes.checks import networks, processes, tokens
from recipes.checks import sweep as sweeps
from recipes.checks.networks import NETWORKS, build, match
from recipes.checks.processes import outcomes
from recipes.checks.reference import contract, largest_error, loop_jacobian, precision
from recipes.checks.sweep import check, compare, is_kept, sweep, verdict
from recipes.checks.sweep_page import VERDICTS, count, page
from tests.recipes.work import work

SMALL = "torch/lstm,timm-small/vit_small_patch16_224,torchvision-small/densenet"


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4, dtype=torch.float64), nn.Tanh(), nn.Linear(4, 2, dtype=torch.float64))


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 3, dtype=torch.float64)


def test_the_reference_is_the_closed_form_of_a_linear_layer(x: Tensor) -> None:
    jacobian = loop_jacobian(nn.Linear(3, 2, dtype=torch.float64), x)
    right = torch.einsum("ij,op->ijop", x @ x.T + 1, torch.eye(2, dtype=torch.float64))
    assert torch.allclose(contract(jacobian), right)
    assert torch.allclose(contract(jacobian, trace=True), 2 * (x @ x.T + 1))


def test_an_error_is_measured_against_the_rows_that_it_is_in() -> None:
    right = torch.diag(torch.tensor([1.0, 1e-8]).double())
    assert largest_error(right, right) == 0
    wrong = right.clone()
    wrong[1, 1] = 2e-8  # lost in the norm of the whole
    assert largest_error(wrong, right) == pytest.approx(1.0)
    assert largest_error(right[None, None], right[None, None].clone()) == 0


def test_float32_inside_a_net_is_seen(net: nn.Module, x: Tensor) -> None:
    assert precision(net, x) == "float64"
    assert precision(nn.Sequential(net, Halved()), x) == "float32"


class Halved(nn.Module):
    """A float64 layer that computes in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float().tanh().to(x.dtype)


def test_work_that_crashes_or_hangs_keeps_what_it_told_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PRELOADED", [])  # the work needs no torch
    start = time.monotonic()
    records = dict(outcomes(work, ["raise", "kill", "sleep", "end"], limit=5.0, at_once=4))
    assert time.monotonic() - start < 45
    assert all(record["told"] == argument for argument, record in records.items())
    assert records["raise"]["ended"] == "RuntimeError: two lines"
    assert 'raise RuntimeError("two\\nlines")' in " ".join(records["raise"]["where"])
    assert records["kill"]["ended"] == "killed by signal 9, or out of memory"
    assert records["sleep"]["ended"] == "stopped after 5 s"
    assert "ended" not in records["end"]


def test_a_network_is_awake_and_has_the_statistics_of_a_batch() -> None:
    net, shape = build("torchvision-small/densenet", 2, torch.float64)
    assert not any(bool((p == p.flatten()[0]).all()) for p in net.parameters() if p.numel() > 1)
    assert not any(module.training for module in net.modules())
    norm = next(module for module in net.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.momentum == 0.1
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.randn(64, *shape, dtype=torch.float64))
    assert norm.running_var is not None
    assert torch.allclose(seen[0].var((0, 2, 3)), norm.running_var, rtol=0.1)


def test_names_of_networks() -> None:
    assert len(NETWORKS) == len(set(NETWORKS)) > 230
    assert sum(name.startswith("torchvision") for name in NETWORKS) >= 18
    assert match("torch/gru, torch/*") == ["torch/gru", "torch/lstm", "torch/transformer_encoder"]
    with pytest.raises(ValueError, match="nets is 'timm/vti', which none of"):
        match("torch/gru,timm/vti")


def test_a_library_that_is_not_installed_is_named_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None if name == "x_transformers" else name)
    with pytest.raises(
        ValueError, match=r"nets takes x-transformers, not installed here: pip install -e '.\[checks\]'"
    ):
        sweep(str(tmp_path), "timm-small/*,torch/*,x-transformers/*,zuko/*")
    assert not any(tmp_path.iterdir())


def test_tokens_are_read_off_numbers_and_logits_at_the_last_token() -> None:
    x = torch.tensor([[0.0, -0.0015, 5.0], [0.0565, 0.0575, 100.0005]], dtype=torch.float64)
    table = nn.Embedding(tokens.VOCABULARY, 9, dtype=torch.float64)
    expected = [[3, 4, 44], [59, 3, 25]]
    assert tokens.tokens(x).tolist() == expected
    net = tokens.Tokens(table, 2, lambda model, ids: model(ids))
    assert torch.equal(net(x), table.weight[[44, 25], :2])
    assert torch.equal(tokens.Tokens(table, 2, lambda model, ids: model(ids)[:, 0])(x), table.weight[[3, 59]])


class Cached(nn.Module):
    """Keeps a table made from its parameter, as some attention layers do in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(2, dtype=torch.float64))
        self.cache: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.cache is None:
            self.cache = self.table.square()
        return x[:, :2] * self.cache


def test_a_net_that_is_changed_is_seen(net: nn.Module, x: Tensor) -> None:
    state = {name: value.clone() for name, value in net.state_dict().items()}
    assert is_kept(net, state, x, loop_jacobian(net, x))
    other = {**state, "0.bias": state["0.bias"] + 1}
    assert not is_kept(net, other, x, loop_jacobian(net, x))
    cached = Cached()
    right = loop_jacobian(copy.deepcopy(cached), x)
    assert is_kept(copy.deepcopy(cached), dict(cached.state_dict()), x, right)
    with torch.no_grad():
        cached(x)
    assert not is_kept(cached, dict(cached.state_dict()), x, right)


class Odd(nn.Module):
    """Says no from inside forward."""

    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("odd")


def test_a_kernel_is_exact_wrong_refused_or_crashed(net: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    right = contract(loop_jacobian(net, x))
    assert compare(net, x, "full", right)["error"] < 1e-14
    assert "float16" in compare(net.half(), x.half(), "full", right)["refused"]
    assert compare(nn.Sequential(net.double(), Odd()), x, "full", right) == {"crashed": "ValueError: odd"}
    monkeypatch.setattr(sweeps, "ntk", lambda *_, **__: right * (1 + 1e-9))
    assert compare(net, x, "full", right)["error"] == pytest.approx(1e-9, rel=1e-3)


def record(**others: Any) -> dict[str, Any]:
    part = {"seconds": 1.0, "error": 1e-13, "warnings": []}
    told = {
        "stage": "done",
        "precision": "float64",
        "parameters": 1000,
        "loop_seconds": 2.0,
        "full": part,
        "trace": part,
        "kept": True,
    }
    return {**told, "algorithm": {"full": "structured", "trace": "jacobian"}, "commit": "c", **others}


@pytest.mark.parametrize(
    ("others", "expected", "reason"),
    [
        ({}, "exact", ""),
        ({"trace": {"error": float("nan")}}, "wrong", "trace off by nan"),
        ({"full": {"error": 1e-9}}, "wrong", "full off by 1.0e-09"),
        ({"full": {"error": 1e-7}, "precision": "float32"}, "exact", ""),
        ({"full": {"error": 9e-5, "loop_error": 5e-5}, "precision": "float32"}, "exact", ""),
        ({"full": {"error": 9e-5, "loop_error": 4e-5}, "precision": "float32"}, "wrong", "full off by 9.0e-05"),
        ({"kept": False}, "wrong", "the net is changed afterwards"),
        ({"full": {"refused": "no"}, "trace": {"crashed": "E: x"}}, "crashed", "trace: E: x"),
        ({"full": {"refused": "no"}}, "refused", "full: no"),
        ({"stage": "ntk", "ended": "stopped after 9 s", "trace": {}}, "over the time limit", "ntk: stopped after 9 s"),
        ({"stage": "ntk", "ended": "killed by signal 9", "trace": {}}, "crashed", "ntk: killed by signal 9"),
        ({"stage": "the loop", "ended": "E: y", "full": {}, "trace": {}}, "no reference", "E: y"),
    ],
)
def test_verdicts(others: dict[str, Any], expected: str, reason: str) -> None:
    told = record(**others)
    assert verdict(told) == expected
    assert told.get("reason", "") == reason
    assert expected in VERDICTS


def test_the_page_counts_and_shows_the_worst_first() -> None:
    unproven = {"seconds": 1.0, "error": 1e-13, "warnings": ["UnprovenWarning: 0.weight: odd"]}
    records = {"a": record(), "b": record(kept=False), "c": record(loop_seconds=0.9, trace=unproven)}
    for told in records.values():
        told["verdict"] = verdict(told)
    environment = {"date": "d", "cpu": "C", "versions": {"torch": "2"}}
    about = {"command": "run", "environment": environment, "dtype": "float16", "samples": 7, "device": "cpu"}
    text = page({**about, "networks": records})
    assert "In float16, for 7 samples" in text
    expected = "3 networks: 1 wrong, 0 crashed, 0 no reference, 0 over the time limit, 0 refused, 2 exact. "
    expected += "1 were made by the slow path. "
    assert count(records) == expected + "1 took more than 1.05 times as long as the loop."
    assert count(records) in text
    assert [line.split(" | ")[0] for line in text.splitlines()[-3:]] == ["| b", "| a", "| c"]
    assert "| a | 0.00 M | exact | 1e-13 |  | structured, jacobian | 1.00 | 2.00 |  |" in text


def test_the_page_counts_what_float32_itself_rounds() -> None:
    part = {"seconds": 1.0, "error": 3e-5, "loop_error": 2e-5, "warnings": []}
    records = {"a": record(precision="float32", full=part, draws=2)}
    records["a"]["verdict"] = verdict(records["a"])
    assert "1 were looked at on other samples. 1 are off by more than 1e-05, as is a loop in float32." in count(records)
    about = {"command": "run", "environment": {"date": "d", "cpu": "C", "versions": {}}, "dtype": "float32"}
    text = page({**about, "samples": 5, "device": "cpu", "networks": records})
    assert "| a | 0.00 M | exact | 3e-05 | 2e-05 | structured, jacobian | 1.00 | 2.00 | draw 2 |" in text


@pytest.fixture
def checked() -> Iterator[list[str]]:
    """Names of networks that are checked, in place of a sweep's processes."""
    names: list[str] = []

    def in_place(work: Any, arguments: list[str], *_: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in arguments:
            names.append(name)
            told: dict[str, Any] = {}
            work(name, told.update)
            yield name, told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "outcomes", in_place)
        yield names


def test_a_sweep_goes_on_where_it_stopped(tmp_path: Path, checked: list[str]) -> None:
    sweep(str(tmp_path), "torch/gru")
    assert json.loads((tmp_path / "sweep.json").read_text())["networks"]["torch/gru"]["verdict"] == "exact"
    sweep(str(tmp_path), "torch/gru,torch/transformer_encoder")
    assert checked == ["torch/gru", "torch/transformer_encoder"]
    sweep(str(tmp_path), "torch/gru", again=True)
    assert checked[2:] == ["torch/gru"]
    assert "2 networks: 0 wrong, 0 crashed" in (tmp_path / "README.md").read_text()


def test_a_float32_sweep_compares_with_float64(tmp_path: Path, checked: list[str]) -> None:
    sweep(str(tmp_path), "torch/gru", dtype="float32", samples=5)
    told = json.loads((tmp_path / "sweep.json").read_text())["networks"]["torch/gru"]
    assert told["verdict"] == "exact"
    assert told["precision"] == "float32"
    for outputs in ("full", "trace"):
        assert 1e-9 < told[outputs]["loop_error"] < 1e-5
        assert 1e-9 < told[outputs]["error"] < 1e-5
    assert " are off by more than" not in (tmp_path / "README.md").read_text()
    assert "In float32, for 5 samples" in (tmp_path / "README.md").read_text()
    with pytest.raises(ValueError, match="which holds a sweep in float32 of 5 samples on cpu; allowed: another folder"):
        sweep(str(tmp_path), "torch/gru", dtype="float32", samples=3)
    assert checked == ["torch/gru"]


@pytest.mark.parametrize(("wrong", "draws", "expected"), [(1, 2, "exact"), (9, 5, "wrong")])
def test_a_float32_kernel_that_is_off_is_looked_at_on_other_samples(
    wrong: int, draws: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([1e-3] * 2 * wrong + [1e-7] * 2)
    monkeypatch.setattr(sweeps, "build", lambda *_: (nn.Linear(3, 2), (3,)))
    monkeypatch.setattr(sweeps, "compare", lambda *_: {"error": next(errors)})
    told: dict[str, Any] = {}
    check("any", told.update, "float32")
    assert (told["draws"], verdict(told)) == (draws, expected)


@pytest.mark.slow
def test_the_kernels_of_three_networks_are_exact(tmp_path: Path) -> None:
    sweep(str(tmp_path), SMALL)
    records = json.loads((tmp_path / "sweep.json").read_text())["networks"]
    assert {name: told["verdict"] for name, told in records.items()} == dict.fromkeys(SMALL.split(","), "exact")


def test_a_check_tells_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "build", lambda *_: (nn.Linear(3, 2).double(), (3,)))
    told: list[dict[str, Any]] = []
    check("any", told.append)
    stages = [message["stage"] for message in told if "stage" in message]
    assert stages == ["the loop", "ntk", "the net afterwards", "done"]

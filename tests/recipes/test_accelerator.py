"""recipes/checks/accelerator on the CPU: kernels of a small and a wrong network, and what the page says."""

import math
from typing import Any

import pytest
import torch

from recipes.bench.cases import CASES
from recipes.checks import accelerator, accelerator_rates
from recipes.checks.accelerator import ALGORITHMS, kernel_checks, measured, tiny
from recipes.checks.accelerator_page import Check, page
from recipes.checks.accelerator_rates import rates
from recipes.checks.reference import contract, loop_jacobian


def test_every_algorithm_and_precision_is_compared() -> None:
    checks = kernel_checks("ccp", "cpu")
    assert [check.name for check in checks[:3]] == [f"kernel ccp {algorithm} float64" for algorithm in ALGORITHMS]
    assert all(check.ok for check in checks)
    assert checks[0].value < 1e-12 < checks[3].value  # float32 is float32


def test_a_kernel_of_other_weights_and_one_that_fails_do_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = tiny("mlp")
    right = contract(loop_jacobian(net, x))
    with torch.no_grad():
        next(net.parameters()).mul_(1 + 1e-6)
    error, allowed, note = measured(net, x, right, "structured", torch.float64, "cpu")
    assert allowed < error < 1e-4
    assert not note
    monkeypatch.setattr(accelerator, "ntk", None)
    error, _, note = measured(net, x, right, "structured", torch.float64, "cpu")
    assert math.isnan(error)
    assert note == "TypeError: 'NoneType' object is not callable"


def test_the_rate_of_a_kernel_is_that_of_its_contraction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator_rates, "CASES", {"ccp": CASES["ccp"]})
    monkeypatch.setattr(accelerator_rates, "ROWS", 100)
    # One second for each product of 2e6 operations, and for each kernel: of R = 20480 rows and 4 x 256 units.
    monkeypatch.setattr(accelerator_rates, "median", lambda _: 1.0)
    (check,) = rates("cpu")
    assert check.value == pytest.approx(2e6 / (20480**2 * 1024))
    assert check.ok
    assert check.note.startswith("1e+03 ms for N = 2048")


def test_the_page_says_what_holds_and_what_does_not() -> None:
    checks = [
        Check("default run: the accuracy", 0.003, 0.015, "0.98 in 3.0 s, 0.977 in 2.0 s"),
        Check("kernel ccp structured float64", 1e-15, 1e-10),
        Check("kernel ccp structured float32", math.nan, 1e-5, "ValueError: no"),
        Check("kernel mlp structured float64", 2e-10, 1e-10),
        Check("kernel mlp structured float32", 2e-7, 1e-5),
    ]
    about = {"date": "2026-01-01", "device": "GPU", "versions": {"torch": "2"}, "commit": "abc"}
    record: dict[str, Any] = {"command": "python -m it", "environment": about, "seconds": 9.0}
    text = page({**record, "checks": [check.as_record() for check in checks]})
    assert "**3 of 5 checks hold.**" in text
    assert "| default run: the accuracy | 0.003 | 0.015 | yes | 0.98 in 3.0 s, 0.977 in 2.0 s |" in text
    assert "| ccp | 1e-15 | none **no** ValueError: no |" in text
    assert "| mlp | 2e-10 **no** | 2e-07 |" in text
    assert "2026-01-01, GPU, torch 2, commit abc; 9.0 s in all." in text

"""The cost model assumes the machine that was measured, and its choices follow from it."""

import dataclasses
import json
from pathlib import Path

import torch
from torch import nn

from hpnets.ntk import plan
from hpnets.ntk._cost_model import RATES

CALIBRATION = Path(__file__).parents[2] / "docs" / "results" / "calibration" / "amd-epyc-2-threads.json"


def test_the_rates_are_those_of_the_committed_measurement() -> None:
    constants = json.loads(CALIBRATION.read_text())["results"]["constants"]["float32"]
    for name, value in dataclasses.asdict(RATES).items():
        assert abs(value / constants[name] - 1) < 0.01, name


def test_large_weights_and_few_samples_do_not_take_a_jacobian() -> None:
    net = nn.Sequential(nn.Linear(2000, 2000), nn.ReLU(), nn.Linear(2000, 10))
    for outputs in ("full", "trace"):
        made = plan(net, torch.randn(4, 2000), outputs=outputs)
        slow = plan(net, torch.randn(4, 2000), outputs=outputs, algorithm="jacobian", memory="8GiB")
        assert made.algorithm == "structured"
        assert slow.seconds > 3 * made.seconds

"""The algebra against neural-tangents' layers, to 1e-8: stored numbers, and its own run where it is installed."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpnets.theory import (
    LeakyReLU,
    Moments,
    activation,
    average,
    average_pool,
    conv,
    dense,
    flatten,
    inputs,
    normalise,
)

HERE = Path(__file__).parent
REFERENCE: dict[str, Any] = json.loads((HERE / "reference.json").read_text())
Net = Callable[[Moments], Moments]


def mlp(s: Any) -> Net:
    def net(h: Moments) -> Moments:
        for _ in range(3):
            h = activation(dense(h, 1.3**2, 0.2**2), s)
        return dense(h, 1.1**2, 0.1**2)

    return net


def branch(h: Moments, s: str) -> Moments:
    return activation(dense(h, 1.2**2, 0.1**2), s)


def power(s: str) -> Net:
    return lambda h: dense(activation(dense(h, 1.3**2, 0.2**2), s))


def gated(h: Moments) -> Moments:
    for _ in range(2):
        h = activation(dense(branch(h, "gelu") * branch(h, "none")), "relu")
    return dense(h)


def layer_norm(h: Moments) -> Moments:
    h = activation(normalise(dense(h), eps=1e-5), "relu")
    return dense(normalise(dense(h), eps=1e-12))


def residual(h: Moments) -> Moments:
    h = dense(h, 1.1**2)
    return dense(activation(h + dense(activation(h, "relu"), 1.3**2, 0.1**2), "relu"))


def c3(h: Moments, stride: int = 1) -> Moments:
    return conv(h, 3, 1.2**2, 0.1**2, stride, padding=1 if stride == 1 else 0)


def relu(h: Moments) -> Moments:
    return activation(h, "relu")


NETS: dict[str, Net] = {
    **{name: mlp(name) for name in ("relu", "erf", "gelu", "sin", "cos")},
    "dense": mlp("none"),
    "leaky_relu": mlp(LeakyReLU(0.2)),
    "square": power("square"),
    "cube": power("cube"),
    "product": lambda h: dense(branch(h, "relu") * branch(h, "relu") * branch(h, "relu"), 2.0),
    "bilinear": lambda h: dense(dense(h) * dense(h)),
    "gated": gated,
    "layer_norm": layer_norm,
    "residual": residual,
    "conv_pool": lambda h: dense(average(relu(c3(relu(c3(h))))), 1.1**2, 0.1**2),
    "conv_flatten": lambda h: dense(flatten(activation(c3(relu(c3(h)), 2), "erf"))),
    "conv_average": lambda h: average(c3(average_pool(relu(c3(h)), 2))),
    "conv_product": lambda h: average(c3(c3(h) * relu(c3(h)))),
}


def kernels_of(name: str) -> tuple[Tensor, Tensor]:
    """S and T of a net on the stored points."""
    x = torch.tensor(REFERENCE["images" if name.startswith("conv") else "vectors"], dtype=torch.float64)
    h = NETS[name](inputs(x, x[:3]))
    return h.S[..., 0, 0], h.T[..., 0, 0]


@pytest.mark.parametrize("name", REFERENCE["kernels"])
def test_a_net_has_the_kernels_of_neural_tangents(name: str) -> None:
    for ours, key in zip(kernels_of(name), "ST", strict=True):
        expected = torch.tensor(REFERENCE["kernels"][name][key], dtype=torch.float64)
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_the_stored_numbers_are_those_of_neural_tangents(tmp_path: Path) -> None:
    python = os.environ.get("HPNETS_NEURAL_TANGENTS")
    if python is None:
        pytest.skip("set HPNETS_NEURAL_TANGENTS to the python of an environment as make_reference.py describes it")
    path = tmp_path / "reference.json"
    subprocess.run([python, HERE / "make_reference.py", path], check=True, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    again = json.loads(path.read_text())
    for name, kernels in REFERENCE["kernels"].items():
        for key, stored in kernels.items():
            torch.testing.assert_close(torch.tensor(stored), torch.tensor(again["kernels"][name][key]))

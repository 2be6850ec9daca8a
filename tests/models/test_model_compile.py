"""torch.compile of every registered model agrees with eager, in values and gradients, without a graph break."""

import shutil

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import list_models
from tests.models.nets import image_families, open_gates, samples, shallow, small

TRACED = ["pinet", "starnet"]  # of the image families, whose tracing takes a second or two each, these go first
FAST = [name for name in list_models() if name in TRACED or name not in image_families()]
SLOW = [name for name in list_models() if name not in FAST]


@pytest.fixture(autouse=True)
def _forget_compiled_code() -> None:
    torch._dynamo.reset()


def gradients(net: nn.Module, y: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((y * samples(4, y.shape[1:])).sum(), list(net.parameters()))


def assert_compiled_is_eager(name: str, backend: str) -> None:
    net = open_gates(small(name, **shallow(name)), name)
    compiled, x = torch.compile(net, backend=backend, fullgraph=True), samples()
    expected, measured = net(x), compiled(x)
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-5)
    for p, q in zip(gradients(net, measured), gradients(net, expected), strict=True):
        assert (p - q).norm() <= 1e-3 * q.norm() + 1e-5


@pytest.mark.parametrize("name", FAST)
def test_the_traced_graph_is_the_network(name: str) -> None:
    assert_compiled_is_eager(name, "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_traced_graph_is_the_image_network(name: str) -> None:
    assert_compiled_is_eager(name, "aot_eager")


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="inductor needs a C++ compiler")
@pytest.mark.parametrize("name", list_models())
def test_the_compiled_code_is_the_network(name: str) -> None:
    assert_compiled_is_eager(name, "inductor")

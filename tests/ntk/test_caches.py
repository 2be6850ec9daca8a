"""Networks that compute something of their parameters once and keep it, called before their kernel is asked for."""

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hpnets.ntk import NTKOperator, ntk
from tests.ntk.oracle import dense_kernel, relative
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import ODD_MODULES
from tests.odd_modules.state import BiasCache


class DroppingCache(BiasCache):
    """It drops the cache at each change of mode, as timm's networks do."""

    def train(self, mode: bool = True) -> "DroppingCache":
        super().train(mode)
        self.bias_cache = {}
        return self


def without_gradients(net: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        net(x)


def in_inference_mode(net: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        net(x)


def with_gradients(net: nn.Module, x: Tensor) -> None:
    net(x)


def with_a_backward_pass(net: nn.Module, x: Tensor) -> None:
    net(x).sum().backward()
    net.zero_grad()


CALLS = [without_gradients, in_inference_mode, with_gradients, with_a_backward_pass]


@pytest.mark.parametrize("before", CALLS)
def test_what_is_kept_for_eval_mode_is_computed_anew(before: Callable[[nn.Module, Tensor], None]) -> None:
    torch.manual_seed(0)
    net, x = DroppingCache().double().eval(), torch.randn(4, 3, 4, dtype=torch.float64)
    truth = dense_kernel(net, x)
    net.eval()
    before(net, x)
    state = snapshot(net)
    for algorithm in ("auto", "structured", "jacobian", "ntkvp", "loop"):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm), truth) < 1e-10
    operator = NTKOperator(net, x, outputs="sum")
    product = operator.matmat(torch.eye(4, dtype=torch.float64))
    assert relative(product, truth.sum((2, 3))) < 1e-10
    assert net.bias_cache
    assert same(state, snapshot(net))


@pytest.mark.parametrize("before", CALLS)
def test_parametrised_weights_that_are_cached_are_computed_anew(before: Callable[[nn.Module, Tensor], None]) -> None:
    net, x = ODD_MODULES["WeightNorm"].net(), torch.randn(4, 4, dtype=torch.float64)
    truth = dense_kernel(net, x)
    with parametrize.cached():
        before(net, x)
        kept = dict(parametrize._cache)
        assert relative(ntk(net, x, outputs="full"), truth) < 1e-10
        assert kept
        assert kept == parametrize._cache


def test_kernel_of_timms_network_after_an_evaluation() -> None:
    torch.manual_seed(0)
    net, x = timm.create_model("tiny_vit_5m_224", num_classes=2).eval(), torch.randn(2, 3, 32, 32)
    names = [name for name, _ in net.named_parameters() if "attention_biases" in name]
    for name in names:
        nn.init.normal_(net.get_parameter(name))
    biases = {name: net.get_parameter(name).detach() for name in names}
    before = ntk(net, x, outputs="trace", params=biases)
    without_gradients(net, x)
    assert relative(ntk(net, x, outputs="trace", params=biases), before) < 1e-4
    assert before.min() > 0


@pytest.mark.parametrize("before", [in_inference_mode, with_a_backward_pass])
def test_what_stays_and_has_no_gradients_is_refused(before: Callable[[nn.Module, Tensor], None]) -> None:
    net, x = ODD_MODULES["WeightMadeOnce"].net(), torch.randn(4, 4, dtype=torch.float64)
    before(net, x)
    state = snapshot(net)
    with pytest.raises(ValueError, match="an earlier call of it computed and kept"):
        ntk(net, x, outputs="full")
    with pytest.raises(ValueError, match="an earlier call of it computed and kept"):
        NTKOperator(net, x, outputs="full").matmat(torch.eye(12, dtype=torch.float64))
    assert same(state, snapshot(net))

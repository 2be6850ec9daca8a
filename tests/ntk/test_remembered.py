"""Plans that later calls take over: no second survey, and none that outlives what it assumed."""

import gc
from collections.abc import Callable
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import StalePlanError, _planning, _remembered, ntk, plan
from hpnets.ntk._independence import Batch
from hpnets.ntk._proof import Prover
from hpnets.ntk._terms.gram import Dense
from hpnets.ntk._truth import Truth
from tests.ntk.oracle import dense_kernel, relative


class Switched(nn.Module):
    """Linear layers, the first of which is used twice once a switch is set: a plan for one use is wrong for two."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.switch = False, [False]
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

        self.share: Tensor
        self.register_buffer("share", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        again = self.twice or self.switch[0] or self.share > 0
        return self.b(torch.tanh(nn.functional.linear(h, self.a.weight)) if again else h)


@pytest.fixture
def surveys(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Grows by one for each survey that is made."""
    made: list[None] = []
    survey = _planning.survey

    def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
        made.append(None)
        return survey(*args, **kwargs)

    monkeypatch.setattr(_planning, "survey", counted)
    return made


def network() -> tuple[Switched, Tensor]:
    torch.manual_seed(0)
    return Switched().double(), torch.randn(5, 4, dtype=torch.float64)


def test_a_second_call_makes_no_survey(surveys: list[None]) -> None:
    net, x = network()
    first = ntk(net, x, outputs="full")
    assert torch.equal(ntk(net, x, outputs="full"), first)
    assert len(surveys) == 1


@pytest.mark.parametrize("other", ["shape", "outputs", "type", "params", "verify", "forward"])
def test_another_call_makes_its_own(surveys: list[None], other: str) -> None:
    net, x = network()
    ntk(net, x, outputs="full")
    if other == "type":
        net.b = nn.Sequential(net.b)  # type: ignore[assignment]
    if other == "forward":
        net.b.forward = lambda input: nn.functional.linear(input, net.b.weight, net.b.bias)  # type: ignore[method-assign]
    ntk(
        net,
        x[:3] if other == "shape" else x,
        outputs="trace" if other == "outputs" else "full",
        params={"a.weight": net.a.weight} if other == "params" else None,
        verify="off" if other == "verify" else "always",
    )
    assert len(surveys) == 2


def test_a_plan_that_no_longer_holds_is_made_anew(surveys: list[None]) -> None:
    net, x = network()
    ntk(net, x, outputs="full")
    net.switch[0] = True  # nothing but the proof sees it
    kernel = ntk(net, x, outputs="full")
    assert len(surveys) == 2
    torch.testing.assert_close(kernel, ntk(net, x, outputs="full", algorithm="loop"), rtol=1e-10, atol=1e-12)


def test_without_a_proof_a_plan_is_of_the_same_weights(surveys: list[None]) -> None:
    net, x = network()
    for _ in range(2):
        ntk(net, x, outputs="full", verify="off")
    assert len(surveys) == 1
    with torch.no_grad():
        net.a.weight.mul_(2)
    ntk(net, x, outputs="full", verify="off")
    assert len(surveys) == 2
    net.twice = True
    kernel = ntk(net, x, outputs="full", verify="off")
    assert len(surveys) == 3
    torch.testing.assert_close(kernel, ntk(net, x, outputs="full", algorithm="loop"), rtol=1e-10, atol=1e-12)


def scale(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return output * output


CHANGES: dict[str, Callable[[Switched], object]] = {
    "attribute": lambda net: setattr(net, "twice", True),
    "scalar": lambda net: net.share.fill_(1.0),
    "hook": lambda net: net.a.register_forward_hook(scale),
    "class": lambda net: setattr(
        net.a, "__class__", type("Own", (nn.Linear,), {"forward": lambda s, h: h @ s.weight.exp()})
    ),
    "forward": lambda net: setattr(net.a, "forward", lambda h: h @ net.a.weight.exp()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_held_plan_is_proven_again_where_a_setting_has_changed(change: str) -> None:
    net, x = network()
    made = plan(net, x, outputs="full")
    for _ in range(2):
        assert relative(ntk(net, x, plan=made, verify="first"), dense_kernel(net, x)) < 1e-10
    CHANGES[change](net)
    with pytest.raises(StalePlanError, match="assumes of"):
        ntk(net, x, plan=made, verify="first")


class DividedOnceSet(nn.Module):
    """All are divided by the largest activation of the batch once `divides` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.divides, self.a, self.b = False, nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.b(h / h.abs().max() if self.divides else torch.tanh(h))


def test_a_recalled_plan_is_proven_in_one_batch_until_a_setting_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[int]] = []
    over = Truth.over

    def watched(self: Truth, own: list[Batch]) -> tuple[dict[str, Tensor | None], Tensor]:
        batches.append([len(batch.rows) for batch in own])
        return over(self, own)

    monkeypatch.setattr(Truth, "over", watched)
    net, x = DividedOnceSet().double(), torch.randn(8, 4, dtype=torch.float64)
    for _ in range(3):
        ntk(net, x, outputs="full")
    assert batches == [[4, 4], [8], [8]]
    net.divides = True
    for _ in range(2):
        with pytest.raises(ValueError, match="couples samples"):
            ntk(net, x, outputs="full")


def test_a_plan_goes_with_its_net() -> None:
    net, x = network()
    ntk(net, x, outputs="full")
    assert net in _remembered._PLANS
    gc.collect()
    before = len(_remembered._PLANS)
    del net
    gc.collect()
    assert len(_remembered._PLANS) == before - 1


def test_a_plan_with_a_wrong_contraction_is_refused_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """verify="first" skips what a plan has proven, which its gradients alone are not."""
    net, x = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), torch.randn(6, 5)
    made = plan(net, x, outputs="full", algorithm="structured")
    right = Dense.input_gram
    with monkeypatch.context() as patch:
        patch.setattr(Dense, "input_gram", lambda *args: 2 * right(*args))
        for _ in range(2):
            with pytest.raises(StalePlanError):
                ntk(net, x, plan=made, verify="first")
    assert torch.allclose(ntk(net, x, plan=made, verify="first"), ntk(net, x, outputs="full", verify="off"))


def test_a_call_that_is_interrupted_before_its_entry_has_proven_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), torch.randn(6, 5)
    made = plan(net, x, outputs="full", algorithm="structured")
    with monkeypatch.context() as patch:
        patch.setattr(Prover, "conclude", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ntk(net, x, plan=made, verify="first")
    right = Dense.input_gram
    monkeypatch.setattr(Dense, "input_gram", lambda *args: 2 * right(*args))
    with pytest.raises(StalePlanError):
        ntk(net, x, plan=made, verify="first")

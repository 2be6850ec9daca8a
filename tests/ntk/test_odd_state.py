"""Every odd module is as before when a kernel is interrupted, and has the same kernel in whatever mode it is asked."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator, ntk, plan, sketch
from tests.ntk.odd_truth import EXACT, inputs, kernel, refusal_allowed
from tests.ntk.oracle import relative, select
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import FIRST, ODD_MODULES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

CALLS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "auto": lambda net, x: ntk(net, x, outputs="trace"),
    "jacobian": lambda net, x: ntk(net, x, outputs="trace", algorithm="jacobian"),
    "plan": lambda net, x: plan(net, x, outputs="full"),
    "operator": lambda net, x: NTKOperator(net, x, outputs=0).matvec(torch.ones(FIRST).to(x)),
    "sketch": lambda net, x: sketch(net, x, outputs=0, samples=2, seed=0),
}


class Interrupted(BaseException):
    """As Ctrl-C: no `except Exception` catches it."""


class Fuse:
    """A global hook that counts calls of modules, and raises in the last that it allows."""

    def __init__(self, allowed: float = float("inf")) -> None:
        self.calls, self.allowed = 0, allowed

    def __call__(self, module: nn.Module, args: object, output: object) -> None:
        self.calls += 1
        if self.calls >= self.allowed:
            raise Interrupted


def calls_made(fuse: Fuse, call: Callable[[nn.Module, Tensor], object], net: nn.Module, x: Tensor) -> int:
    """Calls of modules within `call`, until it ends, in whatever way."""
    handle = nn.modules.module.register_module_forward_hook(fuse)
    try:
        call(net, x)
    except (Interrupted, ValueError):
        pass
    finally:
        handle.remove()
    return fuse.calls


def interrupted(name: str) -> dict[str, list[float]]:
    """The calls that a module is interrupted in and where, as shares of their length.

    "auto" early, in its midst and at its very end; two of the others at one of these places, which the next module
    takes another of.
    """
    turn, (first, *others) = EXACT.index(name), CALLS
    places = [1 / 7, 1 / 2, 1.0]
    chosen = (others[turn % 4], others[(turn + 1 + turn // 4 % 3) % 4])
    return {first: places} | {call: [places[(turn + k) % 3]] for k, call in enumerate(chosen)}


def test_every_call_is_interrupted_at_every_place() -> None:
    met = {(call, place) for name in EXACT for call, places in interrupted(name).items() for place in places}
    assert met == {(call, place) for call in CALLS for place in (1 / 7, 1 / 2, 1.0)}
    assert all(len(interrupted(name)) == 3 for name in EXACT)


@pytest.mark.parametrize("name", EXACT)
def test_nothing_changes_when_interrupted(name: str) -> None:
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    before, faults = snapshot(net), []
    for key, places in interrupted(name).items():
        total = calls_made(Fuse(), CALLS[key], net, x)
        for place in places:
            allowed = 2 + total // 7 if place == 1 / 7 else int(total * place)
            calls_made(Fuse(allowed), CALLS[key], net, x)
            if not same(before, snapshot(net)) or not torch.equal(x, inputs(name)[0]):
                faults.append((key, allowed, total))
    assert not faults


@pytest.mark.parametrize("name", EXACT)
def test_the_callers_mode_does_not_matter(name: str) -> None:
    truth, trace = select(kernel(name), "trace"), partial(ntk, outputs="trace")
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    with refusal_allowed(name, "auto"):
        with torch.no_grad():
            assert relative(trace(net, x), truth) < 1e-10
        with torch.inference_mode():
            assert relative(trace(net, x), truth) < 1e-10
            # An inference tensor, as a batch that was moved to a device within validation_step.
            assert relative(trace(net, x.clone()), truth) < 1e-10
        assert relative(trace(net, x.requires_grad_()), truth) < 1e-10
    assert x.grad is None

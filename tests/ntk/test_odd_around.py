"""Odd modules in what is built on kernels: shares, singular values, fingerprints, linearised and centred networks."""

from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk import (
    centre,
    fingerprint,
    lambda_min,
    lambda_min_blocks,
    linearize,
    metrics,
    ntk,
    ntk_blocks,
    singular_values,
    zero_gradient_fraction,
)
from hpnets.ntk.metrics.labels import elasticity_of
from hpnets.ntk.metrics.steps import SHARE
from tests.ntk.odd_truth import EXACT, REFUSED, inputs, jacobian, kernel
from tests.ntk.oracle import relative
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import FIRST, ODD_MODULES

pytestmark = pytest.mark.filterwarnings("ignore::hpnets.ntk.UnprovenWarning", "ignore:Full backward hook")

# Torch has no derivative in forward mode of these.
NO_FORWARD_MODE = {
    "AdjointFunction",
    "EnergyByAutograd",
    "ForeignFunction",
    "SparseGradients",
    "SparseMixing",
    "Tokens",
}
SCRIPTED = {"Scripted", "ScriptedInside", "Traced"}
# A copy of these computes with what is not copied.
NOT_COPIED = {"Closure", "StateOfAnotherObject"}
KEPT_WHOLE = [name for name in EXACT if name != "StateOfAnotherObject"]
COPIED = [name for name in EXACT if name not in NOT_COPIED | SCRIPTED]


def own_jacobian(name: str) -> Tensor:
    """J (N, O, P) of x1."""
    return jacobian(name)[:FIRST]


def parts(net: nn.Module, J: Tensor) -> dict[str, Tensor]:
    """J of each trained parameter, by name."""
    named = {name: p.numel() for name, p in net.named_parameters() if p.requires_grad}
    return dict(zip(named, J.split(list(named.values()), dim=2), strict=True))


@pytest.mark.parametrize("name", KEPT_WHOLE)
def test_the_share_of_each_module_is_the_oracles(name: str) -> None:
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    own, K = parts(net, own_jacobian(name)), kernel(name)
    shares = ntk_blocks(net, x, outputs="full")
    for block, share in shares.items():
        J = torch.cat([j for key, j in own.items() if block in (key, key.rpartition(".")[0])], dim=2)
        expected = torch.einsum("iop,jqp->ijoq", J, J)
        torch.testing.assert_close(share, expected, rtol=1e-10, atol=1e-12 * float(K.norm()))
    assert not shares or relative(torch.stack([*shares.values()]).sum(0), K) < 1e-10


@pytest.mark.parametrize("outputs", ["full", "trace"])
@pytest.mark.parametrize("name", KEPT_WHOLE)
def test_singular_values_are_the_oracles(name: str, outputs: str) -> None:
    net, (x, _), J = ODD_MODULES[name].net(), inputs(name), own_jacobian(name)
    expected = torch.linalg.svdvals(J.flatten(1) if outputs == "trace" else J.flatten(0, 1))
    values = singular_values(net, x, outputs=outputs).values
    assert len(values) == len(expected)
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-12 * max(float(J.norm()), 1e-300))


@pytest.mark.parametrize("name", [name for name in KEPT_WHOLE if name != "Closure" and not ODD_MODULES[name].train])
def test_fingerprints_are_the_oracles(name: str) -> None:
    net, (x, _), J = ODD_MODULES[name].net(), inputs(name), own_jacobian(name)
    made, expected = fingerprint(net, x), torch.linalg.svdvals(J.flatten(1)).square()
    assert made["trace"] == pytest.approx(float(expected.sum()), rel=1e-10)
    assert made["eigenvalues"] == pytest.approx(expected[:FIRST].tolist(), rel=1e-10, abs=1e-12 * float(expected.sum()))


def test_a_network_that_keeps_activations_with_their_graph_is_copied() -> None:
    net, (x, _) = ODD_MODULES["LastActivations"].net(), inputs("LastActivations")
    expected, y = fingerprint(net, x), net(x)
    assert fingerprint(net, x) == expected
    torch.testing.assert_close(centre(net)(x), torch.zeros_like(y))
    assert isinstance(net.last, Tensor)
    assert net.last.requires_grad


def moved(name: str) -> tuple[nn.Module, Tensor]:
    """The linearised net, away from its start, and J d (N, O)."""
    net = linearize(ODD_MODULES[name].net())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    d = torch.cat([torch.zeros(0), *(p.detach().cpu().flatten() for p in net.parameters() if p.requires_grad)])
    return net, own_jacobian(name) @ d.to(own_jacobian(name))


LINEARISED = [name for name in COPIED if name not in NO_FORWARD_MODE]


@pytest.mark.parametrize("name", LINEARISED)
def test_a_linearised_network_is_the_first_order_of_the_network(name: str) -> None:
    (x, _), (net, Jd) = inputs(name), moved(name)
    start = ODD_MODULES[name].net()(x.clone())
    y = net(x.clone())
    torch.testing.assert_close(y, start + Jd.view_as(start), rtol=1e-9, atol=1e-9 * float(Jd.norm()))
    with torch.no_grad():
        torch.testing.assert_close(net(x.clone()), y, rtol=1e-12, atol=1e-12)


# The recomputation of a checkpoint cannot be watched within torch.func.
@pytest.mark.parametrize("name", [name for name in LINEARISED if name != "Checkpointed"])
def test_a_linearised_network_has_the_networks_kernel(name: str) -> None:
    net, x = moved(name)[0], inputs(name)[0]
    assert relative(ntk(net, x, outputs="full"), kernel(name)) < 1e-9


@pytest.mark.parametrize("name", COPIED)
def test_a_centred_network_starts_at_zero_with_the_networks_kernel(name: str) -> None:
    module, (x, _) = ODD_MODULES[name], inputs(name)
    y = centre(module.net())(x.clone())
    torch.testing.assert_close(y, torch.zeros_like(y), rtol=0, atol=1e-12)
    assert relative(ntk(centre(module.net()), x, outputs="full"), kernel(name)) < 1e-10


@pytest.mark.parametrize("name", sorted(NO_FORWARD_MODE))
def test_a_network_without_forward_mode_is_not_linearised(name: str) -> None:
    net, (x, _) = linearize(ODD_MODULES[name].net()), inputs(name)
    with pytest.raises(ValueError, match="forward-mode"):
        net(x)


@pytest.mark.parametrize("name", sorted(SCRIPTED))
def test_a_scripted_network_is_neither_linearised_nor_centred(name: str) -> None:
    for make in (linearize, centre):
        with pytest.raises(ValueError, match=r"torch\.jit"):
            make(ODD_MODULES[name].net())


def test_a_copy_that_computes_with_the_networks_own_parameters_is_refused() -> None:
    x, _ = inputs("Closure")
    net = ODD_MODULES["Closure"].net()
    for made in (linearize(net), centre(net)):
        for mode in (torch.enable_grad, torch.no_grad):
            with mode(), pytest.raises(ValueError, match="copy of net"):
                made(x)
    for of in (lambda: fingerprint(net, x), lambda: metrics.step_elasticity(net, x, torch.arange(FIRST) % 2)):
        with pytest.raises(ValueError, match=r"reach|copy of net"):
            of()


CALLS: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "zero_gradient_fraction": zero_gradient_fraction,
    "singular_values": lambda net, x: singular_values(net, x, outputs="trace"),
    "lambda_min_blocks": lambda net, x: lambda_min_blocks(net, x, outputs="trace"),
    "fingerprint": fingerprint,
    "step_elasticity": lambda net, x: metrics.step_elasticity(net, x, torch.arange(FIRST) % 2),
    "centre": lambda net, x: centre(net),
    "linearize": lambda net, x: linearize(net),
}


@pytest.mark.parametrize("name", KEPT_WHOLE)
def test_a_network_and_its_samples_are_as_before(name: str) -> None:
    for call in CALLS.values():
        net, (x, _) = ODD_MODULES[name].net(), inputs(name)
        before = snapshot(net)
        with suppress(ValueError):
            call(net, x)
        assert same(before, snapshot(net)), call
        assert torch.equal(x, inputs(name)[0]), call


def test_gradients_make_no_lazy_layer() -> None:
    net = ODD_MODULES["LazyLinear"].net()
    with pytest.raises(ValueError, match="uninitialized"):
        zero_gradient_fraction(net, inputs("LazyLinear")[0])
    assert isinstance(next(net.parameters()), nn.parameter.UninitializedParameter)


@pytest.mark.parametrize("name", [name for name in COPIED if name != "Constant" and not ODD_MODULES[name].train])
def test_a_step_moves_what_training_moves(name: str) -> None:
    module, (x, _), y = ODD_MODULES[name], inputs(name), torch.arange(FIRST) % 2
    expected = []
    for i in range(FIRST):
        net, other = module.net(), module.net()
        trained = [p for p in net.parameters() if p.requires_grad]
        f = net(x[[i, i]].clone())[0]
        loss = F.cross_entropy(f, y[i]) if len(f) > 1 else F.binary_cross_entropy_with_logits(f[0], y[i].to(f))
        r, *g = torch.autograd.grad(loss, [f, *trained], materialize_grads=True)
        dense = [d.to_dense() for d in g]
        share = SHARE * r.square().sum() / sum(d.square().sum() for d in dense)
        with torch.no_grad():
            for p, d in zip((p for p in other.parameters() if p.requires_grad), dense, strict=True):
                p.sub_(share * d)
            expected.append((other(x.clone()) - module.net()(x.clone())).norm(dim=1))
    sizes = torch.stack(expected)
    own, truth = metrics.step_elasticity(module.net(), x, y), elasticity_of(sizes / sizes.diagonal()[:, None], y)
    assert (own.same, own.different) == pytest.approx((truth.same, truth.different), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_kernel_has_no_singular_values_and_no_shares(name: str) -> None:
    module, (x, _) = ODD_MODULES[name], inputs(name)
    for of in (singular_values, lambda_min, ntk_blocks):
        with pytest.raises(ValueError, match=module.refused):
            of(module.net(), x, outputs="full")


def test_a_wrong_sample_keeps_its_message_in_a_linearised_network() -> None:
    net = linearize(nn.Linear(4, 2))
    with pytest.raises(RuntimeError, match="shapes"):
        net(torch.randn(3, 5))

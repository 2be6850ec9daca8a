"""Residual branches over depth: which parameters are within them, their constants and rates, what is refused."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hpnets.layers.branches import branch_parameters, branches
from hpnets.models import create_model, list_models, parameter_groups
from hpnets.options import OptimOptions
from hpnets.statistics import log_slope
from hpnets.theory import limit_kernel
from hpnets.training import coordinate_check
from tests.models.nets import outputs, samples, scramble, small

RESIDUAL = [name for name in list_models() if branches(small(name))]
POWERS = {"depth_mup": 0.5, "completep": 1.0}


def test_which_families_have_branches() -> None:
    skips = {"ccp", "complex_ccp", "cope", "ncp_skip", "pnn_skip", "prodpoly"}
    blocks = {"focalnet", "gmlp", "linear_attention", "mambaout", "monet", "starnet", "van", "resmlp"}
    assert set(RESIDUAL) == skips | blocks | set(list_models(option="stem"))
    assert branches(small("resnet18")) == 8
    assert branches(small("linear_attention", depth=5)) == 10
    assert branches(small("ccp", degree=1)) == branches(small("ccp", skip=False)) == 0


@pytest.mark.parametrize("name", RESIDUAL)
def test_the_parameters_within_a_branch_are_those_without_gradient_where_it_is_closed(name: str) -> None:
    """Not the style's of FiLM and AdaIN, which branches share: they are outside."""
    net = scramble(small(name, parametrisation="depth_mup", base_width=6)).double()
    L, inside = branches(net), set(branch_parameters(net))
    scales: list[Any] = [m for m in net.modules() if hasattr(m, "uses")]
    assert {m.constant for m in scales} == {L**-0.5}
    for m in scales:
        m.constant = 0.0
    (net(samples(dtype=torch.float64)) * samples(4, (outputs(name),), torch.float64)).sum().backward()
    still = {key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    assert still - inside <= {key for key in still if key.startswith("condition.")}
    assert inside <= still


@pytest.mark.parametrize(("kind", "sgd", "adam", "epsilon"), [("depth_mup", 1, 0.5, 0.5), ("completep", 4, 1, 0.25)])
def test_rates_within_branches_follow_the_depth(kind: str, sgd: float, adam: float, epsilon: float) -> None:
    """L = 4: SGD's times L^(2a - 1), Adam's times L^(a - 1), its epsilon times L^-a; mup's at the base width are 1."""
    net = small("resmlp", depth=4, parametrisation=kind, base_width=6)
    inside = {id(net.get_parameter(key)) for key in branch_parameters(net)}
    for optimizer, rate in (("sgd", sgd), ("adam", adam)):
        for group in parameter_groups(net, optimizer, 0.1):
            within = id(group["params"][0]) in inside
            assert group["lr"] == pytest.approx(0.1 * (rate if within else 1))
            assert group.get("eps", 1e-8) == pytest.approx(1e-8 * (epsilon if within and optimizer == "adam" else 1))
    torch.optim.Adam(parameter_groups(net, "adam", 0.1))


def test_the_recursion_by_hand() -> None:
    net = small("resmlp", depth=3, layers=1, parametrisation="depth_mup", base_width=6)
    h = net.U(samples().flatten(1))
    for block in net.blocks:
        h = h + 3**-0.5 * block.W[0](h.relu())
    assert torch.allclose(net(samples()), net.V(h.relu()), atol=1e-6)
    assert torch.equal(copy.deepcopy(net)(samples()), net(samples()))


def test_what_a_model_draws_by_depth_is_drawn_as_for_one_block() -> None:
    """pinet starts BN's weights at L^(-1/2); the constants take that over."""
    own, net = small("pinet"), small("pinet", parametrisation="depth_mup", base_width=6)
    assert own.layer1[0].bn.weight[0].item() == pytest.approx(3**-0.5)
    assert net.layer1[0].bn.weight[0].item() == net.layer3[0].bn2.weight[0].item() == pytest.approx(1)
    assert net.layer1[0].bn1.weight[0].item() == 1


def test_steps_are_of_one_size_at_every_depth() -> None:
    """Adam on a residual MLP: under mup the output's step grows with the depth, under both others it does not."""

    def slope(kind: str) -> float:
        def build(depth: int) -> torch.nn.Module:
            options = {"depth": depth, "layers": 1, "parametrisation": kind, "base_width": 64, "width": 64}
            return create_model("resmlp", input_shape=(1, 8, 8), output_dim=10, **options)

        def loss(f: Tensor) -> Tensor:
            return cross_entropy(f, torch.arange(16) % 10)

        depths = (2, 4, 8, 16)
        check = coordinate_check(build, samples(16), loss, OptimOptions("adam", lr=0.003), depths, seeds=(0, 1))
        return log_slope(depths, check.changes["f"])

    assert slope("mup") > 0.8
    assert abs(slope("depth_mup")) < 0.3
    assert abs(slope("completep")) < 0.3


def test_refusals() -> None:
    for name, options in {"mlp": {}, "cnn": {}, "ccp": {"skip": False}, "pnn": {}}.items():
        for kind in POWERS:
            with pytest.raises(ValueError, match=f"'{kind}'; allowed for .*, which has no residual branches: standard"):
                small(name, parametrisation=kind, **options)
    net = small("resmlp", parametrisation="depth_mup", base_width=6).double()
    with pytest.raises(ValueError, match="changes its function"):
        limit_kernel(net, samples(dtype=torch.float64))

"""What the polynomial networks of one input vector have in common: norm, skip and shared factors."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets.atomic_files import read_tensors, write_tensors
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel
from tests.models.nets import samples, small, state_arrays
from tests.ntk.oracle import dense_kernel, relative

SKIPS = {"ccp": [True, False], "cope": [True, False], "ncp": [True, False], "ncp_skip": [True]}
CASES = [
    (name, {"norm": norm, "shared": shared, **({} if name == "ncp_skip" else {"skip": skip})})
    for name, skips in SKIPS.items()
    for skip in skips
    for norm, shared in [("none", True), ("batch", False), ("batch", True), ("layer", False)]
] + [(name, {"skip": False}) for name in ("ccp", "cope")]


def trained(name: str, **options: Any) -> nn.Module:
    """A float64 network of 64 inputs whose norms have weights and statistics as after training."""
    net = small(name, **options).double()
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            for tensor in {**dict(module.named_parameters()), **dict(module.named_buffers())}.values():
                if tensor.is_floating_point():
                    tensor.data.uniform_(0.5, 1.5, generator=generator)
    return net


def normalised(h: Tensor, norm: nn.Module) -> Tensor:
    """What a norm in eval mode does, written out."""
    if isinstance(norm, nn.BatchNorm1d):
        mean, var = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    elif isinstance(norm, nn.LayerNorm):
        mean, var = h.mean(1, keepdim=True), h.var(1, correction=0, keepdim=True)
    else:
        return h
    assert isinstance(norm.eps, float)
    return (h - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias


@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("degree", [1, 4])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_formula(name: str, options: dict[str, Any], degree: int, activation: str) -> None:
    net = trained(name, degree=degree, activation=activation, **options)
    x = samples(dtype=torch.float64)
    w = {key: torch.from_numpy(value) for key, value in state_arrays(net).items()}

    def factor(n: int) -> Tensor:
        """U_n x, U_n z + V_n c or A_n x; with shared factors U_2 stands for all after it, and A_1 for all."""
        if "ncp" in name:
            return x.flatten(1) @ w[f"A.{0 if net.shared else n}.weight"].T
        n = min(n, 1) if net.shared else n
        if name == "cope":
            return x.flatten(1)[:, :-1] @ w[f"U.{n}.weight"].T + x.flatten(1)[:, -1:] @ w[f"V.{n}.weight"].T
        return x.flatten(1) @ w[f"U.{n}.weight"].T

    s = torch.relu if activation == "relu" else torch.clone
    y = s(factor(0)) * w["b_1"] if "ncp" in name else factor(0)
    for n in range(1, degree):
        mixed = y
        if "ncp" in name:
            m = 0 if net.shared else n - 1
            mixed = y @ w[f"S.{m}.weight"].T + w[f"S.{m}.bias"]
        product = normalised(s(factor(n)) * mixed, net.norm[n - 1])
        y = product + y if net.skip else product
    torch.testing.assert_close(net(x), y @ w["C.weight"].T + w["C.bias"], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", SKIPS)
def test_the_kernel_is_that_of_the_dense_jacobian(name: str) -> None:
    net, x = trained(name, degree=3, norm="batch", shared=True), samples(3, dtype=torch.float64)
    truth = dense_kernel(net, x)
    for algorithm in ("structured", "jacobian", "ntkvp"):
        assert relative(ntk(net, x, outputs="full", algorithm=algorithm), truth) < 1e-10


@pytest.mark.parametrize("name", SKIPS)
def test_shared_factors_are_one_tensor_at_any_degree(name: str, tmp_path: Path) -> None:
    nets = [small(name, degree=degree, shared=True) for degree in (2, 5)]
    assert list(nets[0].state_dict()) == list(nets[1].state_dict())
    assert {key.split(".")[1] for key in small(name, degree=1, shared=True).state_dict() if key[0] in "UVA"} == {"0"}
    write_tensors(tmp_path / "net.safetensors", nets[0].state_dict())
    nets[1].load_state_dict(read_tensors(tmp_path / "net.safetensors"))
    assert not torch.equal(nets[0](samples()), nets[1](samples()))


@pytest.mark.parametrize("name", SKIPS)
def test_an_unknown_norm_is_refused_at_degree_one_too(name: str) -> None:
    with pytest.raises(ValueError, match="norm is 'bach'; did you mean batch"):
        small(name, degree=1, norm="bach")


@pytest.mark.parametrize("name", ["ccp", "cope"])
def test_without_skip_and_activation_f_is_homogeneous(name: str) -> None:
    net, x = small(name, degree=3, skip=False).double(), samples(dtype=torch.float64)
    torch.testing.assert_close(net(2 * x), 8 * net(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("product", ["hadamard", "sum"])
@pytest.mark.parametrize("name", SKIPS)
def test_the_limit_knows_batch_norm_in_eval_mode(name: str, product: str) -> None:
    """At its first statistics BatchNorm divides by sqrt(1 + eps), which is nearly nothing, and counts."""
    x = samples(3, (5,), torch.float64)
    options = {"input_shape": (5,), "activation": "relu", "degree": 3, "product": product}
    with_norm, without = (limit_kernel(small(name, norm=norm, **options), x).ntk for norm in ("batch", "none"))
    distance = (with_norm - without).norm() / without.norm()
    assert 1e-6 < distance < 1e-4


@pytest.mark.parametrize("name", SKIPS)
def test_what_has_no_limit_is_refused(name: str) -> None:
    x = samples(2, (5,))
    with pytest.raises(ValueError, match="shared factors are dependent, and have no limit here"):
        limit_kernel(small(name, input_shape=(5,), shared=True), x)
    if name in ("ccp", "cope"):
        with pytest.raises(ValueError, match="norm 'layer' of a product beside a skip has no limit here"):
            limit_kernel(small(name, input_shape=(5,), norm="layer"), x)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_the_limit_without_skip_is_that_of_wide_networks(norm: str) -> None:
    x = samples(3, (5,), torch.float64)
    options = {"input_shape": (5,), "output_dim": 100, "degree": 2, "activation": "relu", "skip": False, "norm": norm}
    torch.manual_seed(0)
    nets = [create_model("ccp", width=1024, **options).double().eval() for _ in range(3)]
    y = torch.cat([net(x).detach() for net in nets], dim=1)
    measured, limit = y @ y.T / y.shape[1], limit_kernel(nets[0], x).covariance
    assert float((measured - limit).norm() / limit.norm()) < 0.2

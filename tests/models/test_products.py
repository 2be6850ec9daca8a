"""The product option: an additive twin has the parameters of its network, and no product."""

import pytest
import torch

from hpnets.layers import hadamard, make_product
from hpnets.models import list_models, model_options
from tests.models.nets import relative_difference, samples, small

TWINS = [name for name in list_models() if "product" in model_options(name)]
POLYNOMIAL = ["ccp", "ncp", "ncp_skip", "pnn", "pnn_skip", "prodpoly", "cope", "quadratic", "bilinear", "poly_inr"]
SINUSOIDAL = ["mfn_fourier", "mfn_gabor", "bacon"]


def test_by_name() -> None:
    a, b = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    assert make_product("hadamard") is hadamard
    assert make_product("hadamard")(a, b).tolist() == [10, 21]
    assert make_product("sum")(a, b).tolist() == [7, 10]
    with pytest.raises(ValueError, match="product is 'hadamar': did you mean hadamard"):
        make_product("hadamar")


@pytest.mark.parametrize("name", TWINS)
def test_the_twin_has_the_same_parameters(name: str) -> None:
    net, twin = small(name).state_dict(), small(name, product="sum").state_dict()
    assert list(net) == list(twin)
    assert all(torch.equal(net[key], twin[key]) for key in net)


@pytest.mark.parametrize("name", [*POLYNOMIAL, *SINUSOIDAL, "glu", "swiglu"])
def test_the_twin_is_another_function(name: str) -> None:
    assert not torch.allclose(small(name)(samples()), small(name, product="sum")(samples()), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_the_twin_of_a_polynomial_is_affine(name: str) -> None:
    options = {"activation": "none"} if "activation" in model_options(name) else {}
    assert relative_difference(small(name, product="sum", **options).double(), 2) < 1e-12
    assert relative_difference(small(name, product="hadamard", **options).double(), 2) > 1e-3

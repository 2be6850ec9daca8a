"""The degree in x that each registered model states: by finite differences it holds, and the lower one fails."""

from typing import Any

import pytest
from torch import nn

from hpnets.models import list_models, model_options, polynomial_degree
from hpnets.models.quadratic import FORMS
from tests.models.nets import open_gates, relative_difference, scramble, small

NORMS = ("none", "batch")
DEGREES: list[tuple[str, dict[str, Any], int]] = [
    *[("bilinear", {"depth": depth}, 2**depth) for depth in (1, 2, 3)],
    *[(name, {"degree": n}, n) for name in ("ccp", "cope", "ncp", "ncp_skip", "pnn", "pnn_skip") for n in (1, 2, 3, 6)],
    ("cope", {"degree": 3, "condition": 32}, 3),
    *[("dcn", {"degree": n, **kind}, n) for n in (1, 3) for kind in ({}, {"rank": 2, "structure": "parallel"})],
    *[("dcn", {"degree": n, "version": "v1", "depth": 0}, n) for n in (2, 5)],
    *[("complex_ccp", {"degree": n, "skip": skip}, n) for n in (1, 2, 4) for skip in (True, False)],
    ("complex_ccp", {"degree": 4, "shared": True, "complex_input": True}, 4),
    *[
        (name, {"degree": 4, "norm": norm, "shared": shared, **skip}, 4)
        for name, skips in {"ccp": (True, False), "cope": (True, False), "ncp": (True, False), "ncp_skip": ()}.items()
        for skip in [{"skip": value} for value in skips] or [{}]
        for norm in NORMS
        for shared in (False, True)
    ],
    *[("poly_inr", {"levels": n, "clamp": 1e99}, n) for n in (1, 2, 5)],
    *[
        ("prodpoly", {"blocks": blocks, "degree": n, "norm": norm}, n**blocks)
        for blocks, n in ((1, 3), (2, 1), (3, 2), (2, 3))
        for norm in NORMS
    ],
    *[("quadratic", {"depth": depth, "norm": norm}, 2**depth) for depth in (1, 2, 3) for norm in NORMS],
    *[("quadratic", {"form": form}, 2**2) for form in FORMS],
    *[("linear_attention", {"depth": depth, "norm": "none"}, 3**depth) for depth in (1, 2, 3)],
    *[(name, {"norm": norm}, 2**3) for name in ("pinet", "pdc", "rpolynet") for norm in NORMS],
    *[("dpolynet", {"norm": norm}, 3**3) for norm in NORMS],
    *[("pinet", {"blocks": blocks}, 2 ** sum(blocks)) for blocks in ([1], [2, 1], [1, 1, 2])],
    *[("starnet", {}, 2**4), ("starnet", {"depth": 1}, 2**3)],
    *[
        ("polynext", {"blocks": blocks, "norm": norm}, 2 ** (1 + 2 * sum(blocks)))
        for blocks in ([1], [2])
        for norm in NORMS
    ],
    *[(name, {"norm": norm}, 1) for name in ("cnn", "resnet18") for norm in NORMS],
    *[(name, {}, 1) for name in ("mlp", "resmlp", "complex_mlp")],
]
POLYNOMIAL = sorted({name for name, _, _ in DEGREES})
OTHERS = [name for name in list_models() if name not in POLYNOMIAL]
COMPLEX = ("complex_mlp", "complex_ccp")
BENT = [  # a polynomial but for one option
    *[
        (name, {"activation": "relu"})
        for name in POLYNOMIAL
        if "activation" in model_options(name) and name not in ("poly_inr", *COMPLEX)
    ],
    *[(name, {"activation": "split_relu"}) for name in COMPLEX],
    ("poly_inr", {"activation": "leaky_relu"}),
    *[
        (name, {"norm": "layer"})
        for name in ("ccp", "cope", "ncp", "prodpoly", "quadratic", "linear_attention", "polynext")
    ],
    ("polynext", {"norm": "none", "form": "attention"}),
    *[(name, {"norm": "group"}) for name in ("cnn", "resnet18", "pinet", "pdc", "rpolynet", "dpolynet")],
]


def plain(name: str, *keys: str) -> dict[str, str]:
    """Each of these options as "none", if the model has it."""
    return {key: "none" for key in keys if key in model_options(name)}


def opened(name: str, **options: Any) -> nn.Module:
    """The model in float64 without activation, if it can be, its norms' statistics and weights away from the start.

    StarNet's weights of deviation 0.02, which leave its products next to nothing, are drawn anew, as torch draws them.
    """
    net = scramble(open_gates(small(name, **{**plain(name, "activation"), **options}), name))
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and name == "starnet":
            module.reset_parameters()
    return net.double()


@pytest.mark.parametrize(("name", "options", "degree"), DEGREES)
def test_the_degree_holds_and_the_lower_one_fails(name: str, options: dict[str, Any], degree: int) -> None:
    """Far out the term of the highest degree leads."""
    net = opened(name, **options)
    assert polynomial_degree(net) == degree
    assert relative_difference(net, degree + 1) < 1e-9
    assert relative_difference(net, degree, step=1e6) > 1e-4


@pytest.mark.parametrize("name", OTHERS)
def test_the_others_have_none(name: str) -> None:
    for options in ({}, plain(name, "norm")):
        net = opened(name, **options)
        assert polynomial_degree(net) is None
        assert relative_difference(net, 9) > 1e-3


@pytest.mark.parametrize(("name", "options"), BENT)
def test_activations_and_norms_of_the_sample_leave_no_polynomial(name: str, options: dict[str, Any]) -> None:
    net = opened(name, **{**plain(name, "norm"), **options})
    assert polynomial_degree(net) is None
    assert relative_difference(net, 28) > 1e-3


@pytest.mark.parametrize("name", [name for name in list_models(option="product") if name in POLYNOMIAL])
def test_twins_are_affine(name: str) -> None:
    """By finite differences too, in test_products.py."""
    assert polynomial_degree(opened(name, product="sum", **plain(name, "norm"))) == 1


def test_max_pooling_leaves_no_polynomial() -> None:
    assert polynomial_degree(small("pinet", stem="imagenet", input_shape=(1, 32, 32))) is None


def test_a_network_that_states_nothing_has_none() -> None:
    assert polynomial_degree(nn.Linear(2, 3)) is None
    assert polynomial_degree(nn.Sequential(nn.Flatten(), nn.Tanh())) is None

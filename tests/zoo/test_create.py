"""hpnets.create_model with published weights: shapes and options are theirs, the head is the caller's."""

from typing import Any

import pytest
import torch

import hpnets
from hpnets.zoo import load_pretrained


def test_weights_bring_their_shapes_and_options() -> None:
    net, published = hpnets.create_model("ccp", pretrained="ccp-digits"), load_pretrained("ccp-digits")[0]
    assert net.training
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(net.eval()(x), published(x))
    other = hpnets.create_model("ccp", pretrained="ccp-digits", output_dim=2).eval()
    assert other(x).shape == (3, 2)
    features = hpnets.create_model("ccp", pretrained="ccp-digits", output_dim=0).eval()(x)
    assert torch.equal(features, published.forward_features(x))
    assert torch.equal(features, other.forward_features(x))


def test_without_weights_it_is_that_of_the_models() -> None:
    assert hpnets.create_model("ccp", input_shape=(4,), output_dim=2, width=5)(torch.zeros(1, 4)).shape == (1, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "cpp", "pretrained": "ccp-digits"}, "unknown model 'cpp'; did you mean"),
        ({"pretrained": "ccp-digit"}, "unknown checkpoint 'ccp-digit'; did you mean ccp-digits"),
        ({"pretrained": "mlp-digits"}, "pretrained is 'mlp-digits'; allowed: weights of 'ccp': ccp-digits"),
        ({"pretrained": "ccp-digits", "degree": 77}, r"degree is 77; allowed: that of ccp-digits, \d"),
        ({"pretrained": "ccp-digits", "input_shape": (3, 8, 8)}, r"input_shape is \[3, 8, 8\]; allowed: that of ccp-d"),
        ({"pretrained": "ccp-digits", "output_dim": -1}, "output_dim is -1; allowed: an integer >= 0"),
        ({"output_dim": 2}, "input_shape is None; allowed: one or more sizes >= 1, without pretrained"),
        ({"input_shape": (2,)}, "output_dim is None; allowed: an integer >= 0, without pretrained"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hpnets.create_model(**{"name": "ccp", **options})

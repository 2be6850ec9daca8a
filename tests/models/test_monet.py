"""MONet: the Mu-layer against its formula, and the spatial shift against the one that smears."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.models.monet import MuLayer, spatial_shift
from tests.models.nets import samples, scramble, small

MAP = (5, 6, 8)
COUNTS = {"t": 9_988_524, "s": 31_980_464}


def shifted(x: Tensor) -> Tensor:
    """The shift, position by position."""
    out = x.clone()
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            out[:, i, j, 0:2] = x[:, max(i - 1, 0), j, 0:2]
            out[:, i, j, 2:4] = x[:, min(i + 1, x.shape[1] - 1), j, 2:4]
            out[:, i, j, 4:6] = x[:, i, max(j - 1, 0), 4:6]
            out[:, i, j, 6:8] = x[:, i, min(j + 1, x.shape[2] - 1), 6:8]
    return out


def test_the_shift_moves_each_quarter_by_one_and_leaves_its_input() -> None:
    x = samples(2, MAP)
    before = x.clone()
    assert torch.equal(spatial_shift(x), shifted(x))
    assert torch.equal(x, before)


def test_the_shift_does_not_smear_rows() -> None:
    """Written in place with an overlapping copy, the first row would fill the whole map."""
    x = torch.arange(5.0).reshape(1, 5, 1, 1).expand(1, 5, 6, 8)
    assert spatial_shift(x)[0, :, 0, 0].tolist() == [0, 0, 1, 2, 3]
    assert spatial_shift(x)[0, :, 0, 2].tolist() == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("shift", [True, False])
def test_mu_layer_is_its_formula(shift: bool) -> None:
    torch.manual_seed(0)
    mu, x = scramble(MuLayer(6, 24, 4, shift, alpha0=0.7).double()), samples(2, (5, 6, 6), torch.float64)
    w = {name: p.detach() for name, p in mu.named_parameters()}

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    S = mu.S if shift else nn.Identity()
    a = norm("norm_a", S(linear("U_1", x)))
    b = norm("norm_b", linear("U_3", S(linear("U_2", x))))
    assert torch.allclose(mu(x), linear("C", a + w["alpha"] * a * b), rtol=1e-10, atol=1e-10)
    assert torch.equal(mu.S(x), spatial_shift(x) if shift else x)


def test_alpha_zero_is_additive() -> None:
    """Without its product, a Mu-layer whose norms are skipped is affine."""
    torch.manual_seed(0)
    for alpha0, affine in ((0.0, True), (0.5, False)):
        mu = MuLayer(8, 16, 2, True, alpha0).double()
        mu.norm_a = mu.norm_b = nn.Identity()  # type: ignore[assignment]
        x, z = samples(2, MAP, torch.float64).split(1)
        assert torch.allclose(mu((x + z) / 2), (mu(x) + mu(z)) / 2, atol=1e-10) == affine


def test_the_shift_is_the_only_thing_that_mixes_positions() -> None:
    x = samples(1, MAP)
    moved = x + F.one_hot(torch.tensor(14), 30).reshape(1, 5, 6, 1)
    for shift, touched in ((False, 1), (True, 5)):
        torch.manual_seed(0)
        mu = MuLayer(8, 16, 2, shift, 1.0)
        changed = (mu(moved) - mu(x)).abs().amax(3) > 1e-6
        assert int(changed.sum()) in range(touched - (touched > 1), touched + 1)


@pytest.mark.parametrize("size", COUNTS)
def test_the_parameter_counts_that_the_docstring_states(size: str) -> None:
    with torch.device("meta"):
        net = create_model("monet", input_shape=(3, 224, 224), output_dim=1000, size=size)
    assert sum(p.numel() for p in net.parameters()) == COUNTS[size]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 17)])
@pytest.mark.parametrize("size", ["mini", "t"])
def test_other_images(size: str, shape: tuple[int, ...]) -> None:
    assert small("monet", input_shape=shape, size=size)(samples(2, shape)).shape == (2, 3)

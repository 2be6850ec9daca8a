"""The resampling filter against bilinear interpolation and its own adjoint."""

import pytest
import torch
import torch.nn.functional as F

from hpnets.layers.resample import Resample2d
from tests.models.nets import samples


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 7, 5), (1, 1, 1)])
def test_doubling_is_bilinear_interpolation_away_from_the_border(shape: tuple[int, int, int]) -> None:
    """Its taps (1, 3, 3, 1) / 4 in each phase are those of bilinear interpolation between the pixels' centres."""
    x = samples(2, shape, torch.float64)
    y = Resample2d(up=True).double()(x)
    assert y.shape == (2, shape[0], 2 * shape[1], 2 * shape[2])
    expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(y[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_halving_is_the_adjoint_of_doubling() -> None:
    x, y = samples(2, (3, 4, 4), torch.float64), samples(2, (3, 8, 8), torch.float64)
    up, down = Resample2d(up=True).double(), Resample2d(up=False).double()
    assert down(y).shape == x.shape
    assert (up(x) * y).sum() == pytest.approx(float(4 * (x * down(y)).sum()))


def test_the_checkerboard_is_filtered_out() -> None:
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    down = Resample2d(up=False)(board[None, None])
    assert down[..., 1:-1, 1:-1].abs().max() < 1e-7


def test_the_filter_is_no_weight() -> None:
    assert not Resample2d(up=True).state_dict()
    assert not list(Resample2d(up=True).parameters())

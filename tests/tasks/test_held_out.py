"""Training sets that lack a sector, and labels with noise of one frequency."""

import pytest
import torch

from hpnets.tasks.held_out import ring
from hpnets.tasks.label_noise import noisy_parity


@pytest.mark.parametrize("missing", [0, 90, 180])
def test_the_ring_lacks_its_sector(missing: int) -> None:
    x = ring(500, missing, 0)
    radius, angle = x.norm(dim=1), torch.atan2(x[:, 1], x[:, 0]).abs().rad2deg()
    assert 0.5 <= float(radius.min()) < 0.51 < 0.99 < float(radius.max()) <= 1
    assert float(angle.min()) >= missing / 2
    assert float(angle.min()) < missing / 2 + 5
    assert float(angle.max()) > 170


def test_noise_has_the_size_of_the_labels() -> None:
    x, clean, noise, x_test, clean_test = noisy_parity(4, 300, 0)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(300))
    assert set(clean.flatten().tolist()) == {-1.0, 1.0} == set(clean_test.flatten().tolist())
    assert float(noise.square().mean()) == pytest.approx(1, abs=0.2)
    assert len(x_test) == 300

"""Factors that take the memory of those before: every entry is written anew, in tiles of unequal sizes."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import _tiling, ntk, plan
from hpnets.ntk._structured import Schedule
from hpnets.ntk._terms import base
from tests.ntk.oracle import dense_kernel, relative, select


class Branches(nn.Module):
    """Each branch gives its own outputs, so that no layer has a gradient in all of them; some have none at all."""

    def __init__(self) -> None:
        super().__init__()
        self.images = nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.Tanh(), nn.Conv2d(3, 24, 4, 2), nn.Tanh()
        )
        self.pooled = nn.Linear(24, 1)
        self.vectors, self.read = nn.Linear(50, 6), nn.Linear(6, 2)
        self.gain = nn.Parameter(torch.ones(6))
        self.unused = nn.ModuleList([nn.Conv2d(2, 3, 1), nn.GroupNorm(1, 2), nn.Conv2d(2, 24, 4), nn.Conv2d(2, 3, 5)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.unused:
            layer(x)
        pooled = self.pooled(self.images(x).mean((2, 3)))
        return torch.cat([pooled, self.read(torch.tanh(self.vectors(x.flatten(1))) * self.gain)], 1)


def pooled_convolution() -> nn.Module:
    layers = nn.Conv2d(2, 6, 3), nn.Tanh(), nn.Conv2d(6, 5, 2), nn.Tanh(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(5, 3))


NETS = {
    "branches": Branches,
    "pooled": pooled_convolution,
    "ccp": lambda: create_model("ccp", input_shape=(2, 5, 5), output_dim=3, width=8),
    "pnn": lambda: create_model("pnn", input_shape=(2, 5, 5), output_dim=3, width=8),
}
# Of factors in memory that is not theirs: what no pass writes shows in the kernel.
POISON = torch.nan


@pytest.fixture
def reused(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each factor that was asked for took the memory of another, filled with POISON."""
    measured = []

    def poisoned(like: Tensor, shape: tuple[int, ...], old: Tensor | None) -> Tensor:
        new = _tiling.empty(like, shape, old)
        measured.append(old is not None and new.data_ptr() == old.data_ptr())
        return new.fill_(POISON)

    monkeypatch.setattr(base, "empty", poisoned)
    return measured


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("algorithm", ["structured", "jacobian"])
@pytest.mark.parametrize("name", NETS)
def test_no_entry_of_the_factors_before_is_left(
    name: str, algorithm: str, dtype: torch.dtype, reused: list[bool]
) -> None:
    torch.manual_seed(0)
    net, x = NETS[name]().double(), torch.randn(11, 2, 5, 5, dtype=torch.float64)
    full = dense_kernel(net, x)
    net, x, tolerance = net.to(dtype), x.to(dtype), 1e-10 if dtype == torch.float64 else 1e-5
    for outputs in ("full", "trace"):
        reused.clear()
        for rows, columns in ((11, None), (7, x)):
            made = plan(net, x[:rows], columns, outputs=outputs, algorithm=algorithm)
            # 4 + 4 + 3 samples, and chunks of 3 + 1 or of 3.
            tiled = dataclasses.replace(made, schedule=Schedule(4, 3, made.schedule.batched))
            kernel = ntk(net, x[:rows], columns, plan=tiled)
            assert relative(kernel.double(), select(full, outputs)[:rows]) < tolerance, outputs
        assert any(reused), outputs

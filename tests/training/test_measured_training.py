"""A network trains to the same bits with monitors as without, whatever its forward pass keeps, counts or draws."""

import random

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from hpnets.training import CurvatureMonitor, HarmonicMonitor, NTKMonitor
from tests.odd_modules import FIRST, ODD_MODULES

NAMES = [
    "BufferThatMatters",
    "CounterThatMatters",
    "DrawThatDoesNotMatter",
    "DropPathInTrainMode",
    "FixedDrawOfAHeldGenerator",
    "HookedSpectralNorm",
    "LastActivations",
    "LazyConstant",
    "RareStochasticDepth",
    "RReLUInTrainMode",
    "SpectralNormInTrainMode",
    "TrainModeWithHeldBatchNorm",
    "WritesToItsInput",
]


class FirstOutput(nn.Module):
    """The first output of a network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[:, :1]


class Lit(pl.LightningModule):
    """SGD on squared outputs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return self.net(batch[0].clone()).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), lr=0.1)


def mean_square(y: Tensor, target: Tensor) -> Tensor:
    return (y - target).square().mean()


def monitors(x: Tensor) -> list[pl.Callback]:
    y, sphere = torch.zeros(FIRST, 1).to(x), nn.functional.normalize(x)
    return [
        NTKMonitor(x[:FIRST], every=1, outputs="full"),
        CurvatureMonitor(x[:FIRST], y, mean_square, every=1),
        HarmonicMonitor(sphere, torch.zeros(len(x), 1), torch.eye(4)[0], [0, 1], every=1),
    ]


def fit(lit: Lit, x: Tensor, callbacks: list[pl.Callback]) -> None:
    """Four steps."""
    trainer = pl.Trainer(
        max_steps=4,
        accelerator="cpu",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(lit, DataLoader(TensorDataset(x), batch_size=4, shuffle=True))


def trained(name: str, monitored: bool) -> dict[str, Tensor]:
    """The state of an odd module after four steps in train mode."""
    module = ODD_MODULES[name]
    lit, x = Lit(FirstOutput(module.net(device="cpu"))), module.samples(device="cpu")
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    fit(lit.train(), x, monitors(x) if monitored else [])
    return {**lit.state_dict(), "next": torch.rand(3), "numpy": torch.from_numpy(np.random.rand(3))}  # noqa: NPY002


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_training_is_the_same_bit_for_bit(name: str) -> None:
    plain, measured = trained(name, False), trained(name, True)
    assert plain.keys() == measured.keys()
    assert all(torch.equal(value, measured[key]) for key, value in plain.items())


@pytest.mark.filterwarnings("ignore")
def test_a_lazy_network_is_not_made_by_a_monitor() -> None:
    module = ODD_MODULES["LazyLinear"]
    x = module.samples(device="cpu")
    for monitor in monitors(x):
        net = module.net(device="cpu")
        with pytest.raises(ValueError, match=r"(?i)uninitiali"):
            fit(Lit(FirstOutput(net)), x, [monitor])
        assert isinstance(next(net.parameters()), nn.parameter.UninitializedParameter)

"""Parts of a network that are not trained: their parameters get no gradient, and their BatchNorms stay as they are."""

import lightning.pytorch as pl
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN
from hpnets.training.patterns import matches, matching, patterns_in, trained


def freeze(net: nn.Module, patterns: str | None) -> None:
    """Take the gradient from all parameters that a pattern matches; the patterns are parted by commas.

    Raises ValueError for a pattern that matches nothing, and if nothing is left to train.
    """
    names = trained(net)
    frozen = {name for pattern in patterns_in(patterns) for name in matching("freeze", pattern, names)}
    if frozen and len(frozen) == len(names):
        raise ValueError(f"freeze is {patterns!r}, which leaves nothing to train; allowed: parts of the network")
    for name in frozen:
        names[name].requires_grad_(False)


def frozen_norms(net: nn.Module, patterns: str | None) -> list[nn.Module]:
    """The norms with running statistics in what is frozen."""
    return [
        module
        for name, module in net.named_modules()
        if isinstance(module, _NormBase) and any(matches(name, pattern) for pattern in patterns_in(patterns))
    ]


class KeepStatistics(pl.Callback):
    """Keeps the norms of frozen parts in eval mode, so that they normalise by the statistics that they came with."""

    def __init__(self, patterns: str) -> None:
        self.patterns = patterns

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LitModel | LitGAN)
        for norm in frozen_norms(pl_module.net, self.patterns):
            norm.eval()

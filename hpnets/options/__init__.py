"""The options of a run, as plain dataclasses: what `recipes/train.py --help` lists. Imports no torch."""

from hpnets.options.adversarial import AdversarialOptions
from hpnets.options.attack import AttackOptions
from hpnets.options.curvature import CurvatureOptions
from hpnets.options.gan import GANOptions
from hpnets.options.ntk import NTKOptions
from hpnets.options.optim import OptimOptions
from hpnets.options.run import RunOptions
from hpnets.options.trainer import TrainerOptions
from hpnets.options.wandb import WandbOptions

__all__ = [
    "AdversarialOptions",
    "AttackOptions",
    "CurvatureOptions",
    "GANOptions",
    "NTKOptions",
    "OptimOptions",
    "RunOptions",
    "TrainerOptions",
    "WandbOptions",
]

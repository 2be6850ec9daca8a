"""The LightningModule of a network and a task."""

from torch import nn

from hpnets.options import RunOptions
from hpnets.tasks import Task
from hpnets.tasks.base import SupervisedTask
from hpnets.tasks.generation import GenerationTask
from hpnets.training.adversary import make_adversary
from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN


def module_of(net: nn.Module, task: Task, options: RunOptions) -> LitModel | LitGAN:
    """The LightningModule that trains `net` on a task of this kind."""
    if isinstance(task, GenerationTask):
        make_adversary(task, options.adversarial)  # raises, as there are no classes
        return LitGAN(net, task, options.optim, options.gan)
    assert isinstance(task, SupervisedTask)
    return LitModel(net, task, options.optim, options.adversarial)

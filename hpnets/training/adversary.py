"""The attacks of a run on its own batches: the same on any number of processes, and in a run that is resumed."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from hpnets.attacks import Ball, attack, perturb
from hpnets.options import AdversarialOptions, AttackOptions
from hpnets.tasks import Task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.training.measured_network import eval_mode


class Adversary:
    """Attacks a network on samples of a task, in eval mode and in full precision.

    Random points are functions of (task.seed, where it attacks, sample). Raises ValueError for a task without classes,
    and for a radius beyond the box of its data.
    """

    def __init__(self, task: Task, options: AdversarialOptions) -> None:
        if not isinstance(task, ClassificationTask):
            raise ValueError(
                f"adversarial.eps is {options.eps}; allowed for task {task.name!r}, which has no classes to confuse: 0"
            )
        self.options, self.seed, self.box = options, task.seed, task.box
        Ball.around(task.train_set.batch([0])[0], self.box, options.eps, options.norm)

    def is_due(self, batch: int) -> bool:
        """Whether batch k of an epoch is attacked: with "both" each second one, which repeats the one before."""
        return self.options.mix == "adversarial" or (self.options.mix == "both" and batch % 2 == 1)

    def perturbed(self, net: nn.Module, x: Tensor, targets: Tensor, *place: int) -> Tensor:
        """The attacked inputs (n, ...) of a batch; of targets (n, classes) the likeliest class counts as the label."""
        y = targets if targets.ndim == 1 else targets.argmax(1)
        with eval_mode(net), torch.autocast(x.device.type, enabled=False):
            return perturb(net, x, y, self.box, self._attack(*place))

    def misclassified(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Of which samples (n,) some point that the attack tries is misclassified."""
        with torch.inference_mode(False), torch.autocast(x.device.type, enabled=False):
            return attack(net, x, y.clone(), self.box, self._attack()).wrong

    def on_probe(self, targets: Tensor | None) -> Callable[[nn.Module, Tensor], Tensor]:
        """The attack on a probe set with one-hot targets, as a function of the network and the inputs."""
        assert targets is not None
        return lambda net, x: self.perturbed(net, x, targets.to(x.device))

    def _attack(self, *place: int) -> AttackOptions:
        state = np.random.SeedSequence((self.seed, *place)).generate_state(1, np.uint32)
        return self.options.attack(int(state[0]))


def make_adversary(task: Task, options: AdversarialOptions) -> Adversary | None:
    """The attacks that the options ask for; None if their radius is 0."""
    return Adversary(task, options) if options.eps else None

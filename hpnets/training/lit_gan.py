"""LitGAN is the thin LightningModule that trains a generator of pictures against a discriminator."""

import copy
from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.func import functional_call

from hpnets.models import parameter_groups
from hpnets.models.discriminator import Discriminator
from hpnets.options import GANOptions, OptimOptions
from hpnets.tasks.generation import GenerationTask
from hpnets.training.evaluation import predictor
from hpnets.training.lit import check_loss, check_weights, log_validation, make_optimizer
from hpnets.training.measured_network import eval_mode
from hpnets.training.rates import log_rate, scheduled

Batch = tuple[Tensor, Tensor]
BETAS = (0.0, 0.99)  # Adam's betas: without momentum neither network reacts to the other's past
# The generator's modulated weights are of size 1, so a step of Adam changes them relatively less than the critic's.
GENERATOR_RATE = 3.0
UNUSED = ("betas", "clip", "ema", "mixup", "label_smoothing")  # options that adversarial training has its own way of


def check_optim(optim: OptimOptions) -> None:
    """Raise ValueError for an option of supervised training that is not as it is by default."""
    for name in UNUSED:
        value, default = getattr(optim, name), getattr(OptimOptions(), name)
        if value != default:
            raise ValueError(f"optim.{name} is {value}; allowed for models that generate pictures: {default}")


class LitGAN(pl.LightningModule):
    r"""Trains `net`, which maps z to pictures, and a discriminator D on the real pictures of `task`, both in each step.

        L_net = E softplus(-D(net(z)))
        L_D = E softplus(D(net(z))) + E softplus(-D(x)) + [r1_every divides k] r1_every gamma/2 E |grad_x D(x)|^2

    k is the batch's place in its epoch, from 0. `average` has the exponential mean of the weights of `net` and its
    current buffers; it makes the pictures and distances. Adam has betas (0, 0.99); the learning rate is `optim.lr` for
    D and three times that for the generator, both times the schedule's factor. It logs train/loss (L_net),
    train/critic_loss (L_D) and lr, that of D, at step s for the weights after s steps, and the task's distances to the
    validation set as val/<name>. It raises NonFiniteError as LitModel does, and ValueError for an option in `UNUSED`
    that is not as by default. StyleGAN2's updates alternate; here both are made at once, with one optimiser and one
    step count.
    Sources: Goodfellow et al. 2014 (arXiv 1406.2661) for the losses; Mescheder et al. 2018 (arXiv 1801.04406) for R1;
    Karras et al. 2020 (arXiv 1912.04958) for its laziness and the average.
    """

    average: nn.Module

    def __init__(
        self, net: nn.Module, task: GenerationTask, optim: OptimOptions | None = None, gan: GANOptions | None = None
    ) -> None:
        super().__init__()
        self.net, self.task, self.optim, self.gan = net, task, optim or OptimOptions(), gan or GANOptions()
        check_optim(self.optim)
        self.save_hyperparameters({"optim": asdict(self.optim), "gan": asdict(self.gan)})
        self.average = copy.deepcopy(net).requires_grad_(False)
        self.critic = Discriminator(task.picture_shape, self.gan.critic_width)

    def deployed(self) -> nn.Module:
        """A copy of the averaged generator, in eval mode."""
        return copy.deepcopy(self.average).requires_grad_(True).eval()

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, _ = batch
        z = torch.randn(len(x), *self.task.input_shape, dtype=x.dtype, device=x.device)
        made = self.net(z).view_as(x)
        frozen = {name: p.detach() for name, p in self.critic.named_parameters()}
        loss = F.softplus(-functional_call(self.critic, frozen, (made,))).mean()
        critic_loss = self.critic_loss(x, made.detach(), penalised=batch_idx % self.gan.r1_every == 0)
        self.log("train/loss", check_loss(self, loss), prog_bar=True)
        self.log("train/critic_loss", check_loss(self, critic_loss))
        log_rate(self, self.optim.lr)
        return loss + critic_loss

    def critic_loss(self, x: Tensor, made: Tensor, penalised: bool) -> Tensor:
        """L_D for real and generated pictures, (n, C, H, W) each, with the R1 term if `penalised`."""
        x = x.detach().requires_grad_(penalised)
        real = self.critic(x)
        loss = F.softplus(self.critic(made)).mean() + F.softplus(-real).mean()
        if not penalised:
            return loss
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        return loss + self.gan.r1_every * self.gan.r1 / 2 * slope.flatten(1).square().sum(1).mean()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.follow()

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the weights of now, and give it the buffers of now."""
        for kept, p in zip(self.average.parameters(), self.net.parameters(), strict=True):
            kept.lerp_(p, 1 - self.gan.ema)
        for held, buffer in zip(self.average.buffers(), self.net.buffers(), strict=True):
            held.copy_(buffer)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Do nothing: the distances are of whole sets, not means over batches."""

    def on_validation_epoch_end(self) -> None:
        with eval_mode(self.average):
            values = self.task.distances(predictor(self.average, self.device), self.task.val_set)
        log_validation(self, {f"val/{name}": value for name, value in values.items()})

    def on_train_epoch_end(self) -> None:
        check_weights(self)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = make_optimizer(self.net, self.optim)
        for group in optimizer.param_groups:
            group["lr"] *= GENERATOR_RATE
        for group in parameter_groups(self.critic, self.optim.name, self.optim.lr, self.optim.weight_decay):
            optimizer.add_param_group(group)
        for group in optimizer.param_groups:
            group.update({"betas": BETAS} if "betas" in group else {})
        return scheduled(self, self.task, optimizer, self.optim)

"""The search for the worst point of a ball."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hpnets.attacks._balls import Ball, Box
from hpnets.attacks._losses import is_wrong, losses
from hpnets.options import AttackOptions

Predict = Callable[[Tensor], Tensor]  # inputs (N, *shape) to logits (N, C), each sample apart from the others


class Attacked(NamedTuple):
    """The worst points that were tried, x (N, *shape), whether each is misclassified, `wrong` (N,), and `loss` (N,)."""

    x: Tensor
    wrong: Tensor
    loss: Tensor

    @property
    def accuracy(self) -> float:
        """The share of samples of which no point that was tried is misclassified."""
        return 1 - float(self.wrong.double().mean())


def attack(
    f: Predict, x: Tensor, y: Tensor, box: Box, options: AttackOptions, candidates: Sequence[Tensor] = ()
) -> Attacked:
    r"""The worst point of the ball of radius eps around each sample, of all points that the attack tries.

        fgsm   x and x + eps * range * sign(gradient of the loss), or for l2 gradient / |gradient|
        pgd    these, and all points of `restarts` ascents of `steps` steps of step_size * eps, projected on the ball
        noise  x and `restarts` uniform points of the ball

    A misclassified point is worse than others, and among alike the one of the larger loss. So pgd never reports more
    accuracy than fgsm, and more steps or restarts never more than fewer.

    Args:
        f: the classifier in eval mode: a network, or a kernel machine; with one output, its sign is the class.
        x: samples (N, *shape) as f takes them; y: labels (N,), int64.
        box: the least and greatest inputs, such as `task.box`; eps is a fraction of the difference.
        options: radius, name and settings of the attack.
        candidates: points (N, *shape) that are tried too, such as those of a smaller radius.

    Random starts are functions of (options.seed, sample): the batch a sample comes in changes nothing but rounding.
    Raises ValueError for labels that are none, a box that does not fit x, and an eps beyond the box.
    Sources: Goodfellow et al. 2015 (arXiv 1412.6572); Madry et al. 2018 (arXiv 1706.06083).
    """
    with torch.inference_mode(False), torch.enable_grad():
        ball = Ball.around(x.detach().clone(), box, options.eps, options.norm)
        start = _seen(f, ball.x, y, options.loss)
        worst = Attacked(ball.x, is_wrong(start.outputs, y), start.loss)
        for tried in candidates:
            worst = _worse(worst, tried.detach().clone(), f(tried).detach(), y, options.loss)
        for point, outputs in _tried(f, y, ball, start.gradient, options):
            worst = _worse(worst, point, outputs, y, options.loss)
        return worst


def perturb(f: Predict, x: Tensor, y: Tensor, box: Box, options: AttackOptions) -> Tensor:
    """The last point (N, *shape) of one start of an attack, as adversarial training takes it; arguments as `attack`."""
    with torch.inference_mode(False), torch.enable_grad():
        ball = Ball.around(x.detach().clone(), box, options.eps, options.norm)
        if options.name == "noise":
            return ball.points(ball.random(options.seed, 0))
        d, steps, size = _start(ball, options, 0), options.steps, options.step_size
        if options.name == "fgsm":
            d, steps, size = torch.zeros_like(ball.x), 1, 1.0
        for _ in range(steps):
            d = ball.climbed(d, _seen(f, ball.points(d), y, options.loss).gradient, size)
        return ball.points(d)


class _Seen(NamedTuple):
    outputs: Tensor
    loss: Tensor
    gradient: Tensor


def _seen(f: Predict, point: Tensor, y: Tensor, loss: str) -> _Seen:
    """f and the losses at a point, and the gradient of each sample's loss in it."""
    point = point.detach().requires_grad_()
    outputs = f(point)
    each = losses(loss, outputs, y)
    (gradient,) = torch.autograd.grad(each.sum(), point)
    return _Seen(outputs.detach(), each.detach(), gradient)


def _tried(
    f: Predict, y: Tensor, ball: Ball, gradient: Tensor, options: AttackOptions
) -> Iterator[tuple[Tensor, Tensor]]:
    """The points that an attack tries beside the samples, where the loss has the `gradient`, with f there."""
    if options.name == "noise":
        for k in range(options.restarts):
            yield _at(f, ball.points(ball.random(options.seed, k)))
        return
    yield _at(f, ball.points(ball.climbed(torch.zeros_like(ball.x), gradient, 1.0)))
    if options.name == "fgsm":
        return
    for k in range(options.restarts):
        d = _start(ball, options, k)
        for _ in range(options.steps):
            seen = _seen(f, point := ball.points(d), y, options.loss)
            yield point, seen.outputs
            d = ball.climbed(d, seen.gradient, options.step_size)
        yield _at(f, ball.points(d))


def _start(ball: Ball, options: AttackOptions, restart: int) -> Tensor:
    return ball.random(options.seed, restart) if options.random_start else torch.zeros_like(ball.x)


def _at(f: Predict, point: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return point, f(point)


def _worse(worst: Attacked, point: Tensor, outputs: Tensor, y: Tensor, loss: str) -> Attacked:
    """Of each sample the worse of two points; a loss that is NaN is none."""
    wrong, loss_here = is_wrong(outputs, y), losses(loss, outputs, y).detach()
    is_worse = (wrong & ~worst.wrong) | ((wrong == worst.wrong) & (loss_here > worst.loss))
    kept = is_worse.view(-1, *(1,) * (point.ndim - 1))
    return Attacked(
        torch.where(kept, point, worst.x),
        worst.wrong | wrong,
        torch.where(is_worse, loss_here, worst.loss),
    )

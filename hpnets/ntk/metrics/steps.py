"""Local elasticity of the network itself: a step of training at one sample, and what it moves at the others."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._checks import check_eval_mode
from hpnets.ntk._copies import check_apart, copied
from hpnets.ntk._functional import Params, own_parameters, plain_call, trainable_parameters
from hpnets.ntk._state import undisturbed
from hpnets.ntk.metrics.labels import Elasticity, elasticity_of, two_classes
from hpnets.ntk.metrics.measurement import Measurement, register_metric

# The share of a sample's own residual that its step takes away, to first order.
SHARE = 0.1


def _read(m: Measurement) -> tuple[nn.Module, Tensor, Tensor, float, Mapping[str, Tensor] | None]:
    if m.net is None or m.x is None:
        raise ValueError("net is None; allowed: the network and its inputs x, for a metric that takes steps")
    return m.net, m.x, m.y.argmax(1), SHARE, m.params


# The lowest decorator registers first.
@register_metric("step_elasticity_different", _read, lambda e: e.different, two_classes, by_default=False)
@register_metric("step_elasticity_same", _read, lambda e: e.same, two_classes, by_default=False)
@register_metric("step_elasticity", _read, lambda e: e.ratio, two_classes, by_default=False)
def step_elasticity(
    net: nn.Module, x: Tensor, labels: Tensor, share: float = SHARE, params: Mapping[str, Tensor] | None = None
) -> Elasticity:
    r"""The means over pairs of one class, and of two, of S_ij, the change of f at x_j after a step at x_i:

        S_ij = |f(x_j; theta_i) - f(x_j; theta)| / |f(x_i; theta_i) - f(x_i; theta)|
        theta_i = theta - eta_i g_i,   g_i = dL(f(x_i), y_i)/dtheta,   r_i = dL/df,   eta_i = share |r_i|^2 / |g_i|^2

    L is the cross-entropy of the classes, the logistic loss for one output. The step takes `share` of r_i off f(x_i) to
    first order, so that no learning rate has to be chosen; as share falls to 0, S_ij tends to |K_ij r_i| / |K_ii r_i|,
    K the full NTK. S >= 0: the ratio is at most 1, and 1/2 where classes do not matter; a step is divided by
    what it does at its own sample, so that S is not symmetric. All is computed in float64, on a copy of the net, in N
    forward and N backward passes. NaN where a sample has no gradient.

    net: (N, ...) to (N, O), in eval mode. x: (N, ...). labels: integers (N,), classes 0 to O - 1, or 0 and 1 for one
    output. params: the values by name of the parameters that step, None for all that are trained. Raises ValueError
    for a share that is not > 0, labels that are none of these, where there is no pair of one kind, and where the copy
    computes with parameters of the net itself.
    Source: He and Su 2019 (arXiv 1910.06943), eq. 2, with our choice of the step's size.
    """
    if not share > 0:
        raise ValueError(f"share is {share}; allowed: > 0")
    check_eval_mode(net)
    net = copied(net).double()
    theta = trainable_parameters(net)
    if params is not None:
        theta = {name: theta[name] for name in params}
    x, labels = x.double(), labels.to(x.device)
    with undisturbed(net, x.device):
        with torch.enable_grad():
            check_apart(net, plain_call(net, x))
        before = _outputs(net, theta, x)
        _check_classes(labels, before)
        steps = (_stepped(net, theta, x, labels, i, share) for i in range(len(x)))
        moved = torch.stack([_outputs(net, stepped, x) - before for stepped in steps])
    sizes = moved.norm(dim=2)
    return elasticity_of(sizes / sizes.diagonal()[:, None], labels)


def _outputs(net: nn.Module, theta: Params, x: Tensor) -> Tensor:
    with own_parameters(net, theta):
        return plain_call(net, x)


def _stepped(net: nn.Module, theta: Params, x: Tensor, labels: Tensor, i: int, share: float) -> Params:
    """The parameters after the step at sample i, which runs beside a copy of itself, as no row is to run alone."""
    with torch.enable_grad(), own_parameters(net, theta) as own:
        f = plain_call(net, x[[i, i]])[0]
        if not f.requires_grad:
            return theta
        r, *grads = torch.autograd.grad(_loss(f, labels[i]), [f, *own.values()], allow_unused=True)
    g = {name: d for name, d in zip(own, grads, strict=True) if d is not None}
    eta = share * r.square().sum() / sum(d.square().sum() for d in g.values())
    return {name: p - eta * g[name] if name in g else p for name, p in theta.items()}


def _loss(f: Tensor, label: Tensor) -> Tensor:
    if len(f) == 1:
        return F.binary_cross_entropy_with_logits(f[0], label.to(f))
    return F.cross_entropy(f, label)


def _check_classes(labels: Tensor, outputs: Tensor) -> None:
    """Raise ValueError unless the labels are classes of these outputs."""
    classes = max(outputs.shape[1], 2)
    if (
        labels.is_floating_point()
        or labels.shape != outputs.shape[:1]
        or not 0 <= labels.min() <= labels.max() < classes
    ):
        raise ValueError(
            f"labels is {labels.dtype} of shape {tuple(labels.shape)}, {labels.min()} to {labels.max()}; allowed: "
            f"integers ({len(outputs)},) from 0 to {classes - 1}, classes of the {outputs.shape[1]} outputs"
        )

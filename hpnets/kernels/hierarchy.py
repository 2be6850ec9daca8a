"""The kernel after training, to first order beyond a fixed kernel, by the neural tangent hierarchy."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from hpnets.kernels._labels import check_labels, invertible
from hpnets.ntk import ntk, parse_bytes, plain_call

Params = dict[str, Tensor]
# A second difference of K over this part of the way to the end of training is compared with its second derivative.
PART = 0.1
# They may differ by this share of it; networks with kinks, such as ReLU's, differ by far more.
TOLERANCE = 0.2
# So many gradients of all points are held at once.
HELD = 6


class NTH(NamedTuple):
    """The kernel of the points at t = 0 and, to this order, at t = infinity, (n, n) float64; means over the networks.

    start: K. fourth: <H^-1 S, K4>. third: K3 a, which has mean 0 over initialisations and belongs to a network's own
    change. kernel: start + fourth. disagreement: the relative difference of the second derivative of K along the way
    and of its second difference.
    """

    start: Tensor
    third: Tensor
    fourth: Tensor
    disagreement: float

    @property
    def kernel(self) -> Tensor:
        """The mean kernel at t = infinity."""
        return self.start + self.fourth


def nth_kernel(
    nets: Sequence[nn.Module], x: Tensor, labels: Tensor, other: Tensor | None = None, memory: str | float = "4GiB"
) -> NTH:
    r"""The NTK at the end of gradient flow on squares from f - f_0, y = +-1, from derivatives at its start alone.

        K_inf = K + a^T K4 a - y^T Q y = K + <H^-1 S, K4>,   a = H^-1 y,   H Q + Q H = K4 H^-1,   H S + S H = y y^T
        K3(., ., x_k) = DK [g_k],   K4(., ., x_k, x_l) = DK3(., ., x_k) [g_l],   g_k = df(x_k)/dtheta

    with H = K(X, X), DK [v] the derivative of K(., .) along v. K4 is never stored: with C = H^-1 S, whose symmetric
    part is a a^T / 2, and d = sum_k a_k g_k the way that the linearised network goes,

        <C, K4> = 1/2 D^2 K [d, d] + DK [sum_kl C_kl (d^2 f(x_k)/dtheta^2) g_l]

    which nested jvp of J, K = J J^T, gives at the cost of a few kernels. The derivation is in
    docs/concepts/label-aware-kernels.md.

    Args:
        nets: networks of one output drawn independently, over which K and K4 are averaged, in float64 and eval mode.
        x: the training points X (N, *shape). labels: integers (N,) of two classes; the greater is y = 1.
        other: points (M, *shape) whose rows follow those of X in the kernels, n = N + M; None means no more.
        memory: bytes, or a text such as "4GiB", that gradients may take.

    Raises ValueError for no network, one with several outputs, in float32 or in train mode, for labels that are not of
    two classes, for a kernel that is singular on X, and if `memory` would be exceeded. Warns where the derivatives do
    not describe the network: kinks such as ReLU's, whose share of D^2 K is lost on autograd, or a way so long that more
    orders matter.
    Sources: Huang and Yau 2020 (arXiv 1909.08156); Chen, He and Su 2020 (arXiv 2010.11775), section 3.2.
    """
    y = _signs(check_labels(labels, len(x), classes=2)).to(x)
    points = x if other is None else torch.cat([x, other])
    K = _mean_kernel(nets, points, parse_bytes(memory))
    H = invertible(K[: len(x), : len(x)])
    l, V = H.eigenvalues, H.vectors
    projected = V.T @ y
    a = V @ (projected / l)
    # S in the eigenbasis is y_i y_j / (l_i + l_j); H^-1 S divides by l_i.
    C = V @ (projected[:, None] * projected / (l[:, None] * (l[:, None] + l))) @ V.T
    parts = [_change(net, points, a, C) for net in nets]
    third, fourth, second, difference = (torch.stack(each).mean(0) for each in zip(*parts, strict=True))
    off = float((second - difference).norm() / second.norm().clamp_min(1e-300))
    if off > TOLERANCE:
        warnings.warn(
            f"the second derivative of the kernel along the way of training differs from its second difference by "
            f"{off:.2g} of it: the network has kinks (ReLU), or higher orders matter; allowed: smooth activations, "
            "wider networks, more or larger kernels",
            stacklevel=2,
        )
    return NTH(K, third, fourth, off)


def _signs(labels: Tensor) -> Tensor:
    return torch.where(labels == labels.max(), 1.0, -1.0)


def _mean_kernel(nets: Sequence[nn.Module], points: Tensor, budget: int) -> Tensor:
    """The mean of the networks' own kernels; `ntk` refuses what no kernel can be computed of."""
    if not len(nets):
        raise ValueError("nets is empty; allowed: at least one network")
    if points.dtype != torch.float64:
        raise ValueError(f"x is {points.dtype}; allowed: float64, as x.double() gives")
    for dtype in {p.dtype for net in nets for p in net.parameters()} - {torch.float64}:
        raise ValueError(f"a network's parameters are {dtype}; allowed: float64, as net.double() gives")
    size = sum(p.numel() for p in _trained(nets[0]).values())
    needed = 8 * HELD * size * len(points)
    if needed > budget:
        raise ValueError(
            f"memory is {budget / 2**30:.3g} GiB; allowed: {needed / 2**30:.3g} GiB, which the gradients of "
            f"{len(points)} points by {size} parameters take, or fewer points, or a smaller network"
        )
    for net in nets:
        with torch.no_grad():
            outputs = plain_call(net, points[:2]).shape[-1]
        if outputs != 1:
            raise ValueError(f"a network has {outputs} outputs; allowed: 1, whose sign tells the two classes apart")
    return torch.stack([ntk(net, points, outputs="trace") for net in nets]).mean(0)


def _change(net: nn.Module, points: Tensor, a: Tensor, C: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """DK [d], <C, K4>, D^2 K [d, d] and the second difference of K along d, of one network, (n, n) each."""
    theta, n = _trained(net), len(a)

    def output(params: Params, point: Tensor) -> Tensor:
        return functional_call(net, params, (point[None],))[0, 0]

    def jacobian(params: Params) -> Params:
        return vmap(grad(output), (None, 0))(params, points)

    J = jacobian(theta)
    d = {name: torch.tensordot(a, g[:n], 1) for name, g in J.items()}
    pulled = {name: torch.tensordot(C, g[:n], 1) for name, g in J.items()}
    u = _curved(output, theta, points[:n], pulled)
    first = jvp(lambda p: jvp(jacobian, (p,), (d,))[1], (theta,), (d,))
    J1, J2 = first[0], first[1]
    Ju = jvp(jacobian, (theta,), (u,))[1]
    bent = {name: J2[name] / 2 + Ju[name] for name in J}
    steps = [_gram(jacobian(_moved(theta, d, sign * PART))) for sign in (1, -1)]
    difference = (steps[0] + steps[1] - 2 * _gram(J)) / PART**2
    square = _gram(J1)
    return _both(J1, J), _both(bent, J) + square, _both(J2, J) + 2 * square, difference


def _curved(output: Callable[[Params, Tensor], Tensor], theta: Params, points: Tensor, tangents: Params) -> Params:
    """sum_k (d^2 f(x_k)/dtheta^2) v_k, v_k the k-th tangent: one reverse pass over forward ones."""

    def slopes(params: Params) -> Tensor:
        along = vmap(lambda x, v: jvp(lambda p: output(p, x), (params,), (v,))[1])
        return along(points, tangents).sum()

    return grad(slopes)(theta)


def _trained(net: nn.Module) -> Params:
    return {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}


def _moved(theta: Params, d: Params, t: float) -> Params:
    return {name: p + t * d[name] for name, p in theta.items()}


def _gram(J: Params) -> Tensor:
    """J J^T, summed over parameters."""
    return sum((g.flatten(1) @ g.flatten(1).T for g in J.values()), torch.tensor(0.0))


def _both(A: Params, B: Params) -> Tensor:
    """A B^T + B A^T, summed over parameters."""
    half = sum((A[name].flatten(1) @ B[name].flatten(1).T for name in A), torch.tensor(0.0))
    return half + half.T

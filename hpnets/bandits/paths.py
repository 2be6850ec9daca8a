"""Sample, then optimise: draws of a posterior, each a network that is drawn and then trained."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.func import grad, vmap

from hpnets.bandits.surrogate import Members, Surrogate, Variant
from hpnets.ntk import Params
from hpnets.validate import at_least, boolean, finite, one_of, positive, require

Solver = Literal["exact", "descent"]


@dataclass(frozen=True)
class Training:
    r"""How a member is trained on n observations: it minimises 1/2 |y + s e - f(X)|^2 + s^2/2 |theta - theta_0|^2.

    Divided by n this is the mean of squares with weight decay s^2 / n. variant: "linear" trains the network linearised
    at theta_0; "network" the network itself. solver: "exact", for "linear" alone, or "descent", `steps` of Nesterov's
    gradient descent at `lr` times 1 / (lambda_max + s^2), the rate at the start. target_noise: e ~ N(0, 1), without
    which e = 0, and draws have too little spread. beta: draws are of N(mean, beta^2 covariance).

    Raises ValueError for other values, and for solver "exact" with variant "network".
    """

    variant: Variant = "linear"
    solver: Solver = "exact"
    steps: int = 300
    lr: float = 1.0
    target_noise: bool = True
    beta: float = 1.0

    def __post_init__(self) -> None:
        one_of("variant", self.variant, ("linear", "network"))
        one_of("solver", self.solver, ("exact", "descent"))
        solvable = self.variant == "linear" or self.solver == "descent"
        require(solvable, "solver", self.solver, "'descent' for variant 'network', which has no exact solution")
        at_least("steps", self.steps, 1)
        positive("lr", self.lr)
        boolean("target_noise", self.target_noise)
        positive("beta", self.beta)


def sample_paths(
    surrogate: Surrogate,
    x: Tensor | None,
    y: Tensor,
    points: Tensor,
    count: int,
    generator: torch.Generator,
    *,
    noise: float,
    training: Training | None = None,
    memory: str | float = "2GiB",
) -> Tensor:
    r"""`count` draws of the posterior at M points (count, M), float64, each by a network drawn and trained.

        f(x) = f_0(x) + T_0(x, X) (T_0 + s^2)^-1 (y + s e - f_0(X)),   T_0 the NTK of the member at theta_0

    That is variant "linear", solved exactly: a draw of GP(0, T_0) with f_0 and s e in the place of prior and noise, for
    a Gaussian is conditioned by moving a joint draw (Matheron's rule). x: observed points, None before any; y: (n,).
    Raises ValueError as `Surrogate` does, for noise < 0, for a singular T_0 with noise 0, and if the gradients of one
    network exceed `memory`.
    Source: Dai et al. 2022 (arXiv 2210.06850); Matthews et al. 2017 for sample-then-optimise.
    """
    training, noise = training or Training(), finite("noise", noise, minimum=0)
    at_least("count", count, 1)
    like = next(surrogate.net.parameters())
    points = points.to(like)
    x = points[:0] if x is None else x.to(like)
    surrogate.check_outputs(points[:2])
    e = torch.zeros(count, len(x), dtype=torch.float64)
    if training.target_noise:
        e = torch.randn(e.shape, generator=generator, dtype=torch.float64)
    targets = (y / training.beta + noise * e).to(points.device)
    seeds = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
    size, paths = surrogate.members_at_once(x, count, memory), []
    for start in range(0, count, size):
        part = targets[start : start + size]
        members = surrogate.draw(len(part), seeds)
        paths.append(_paths(surrogate, members, x, part, points, noise, training))
    return (training.beta * torch.cat(paths)).cpu()


def _paths(
    surrogate: Surrogate, members: Members, x: Tensor, y: Tensor, points: Tensor, noise: float, training: Training
) -> Tensor:
    if not len(x):
        return surrogate.prior(members, points).double()
    J = surrogate.features(members.theta, x).double()
    K = J @ J.mT
    if training.variant == "network":
        return _trained(surrogate, members, x, y, points, _rate(K, noise, training), noise, training.steps)
    auxiliary = torch.cat([p.flatten(1) for p in members.auxiliary.values()], 1).double()
    f_0 = vmap(surrogate.f, (0, None))(members.theta, x).double() + torch.einsum("bnp,bp->bn", J, auxiliary)
    residual = y - f_0
    if training.solver == "exact":
        d = torch.einsum("bnp,bn->bp", J, _solved(K, residual, noise))
    else:
        d = _descended(J, residual, _rate(K, noise, training), noise, training.steps)
    parts = d.split([p[0].numel() for p in members.auxiliary.values()], 1)
    moved = {name: p + part.view_as(p).to(p) for (name, p), part in zip(members.auxiliary.items(), parts, strict=True)}
    return surrogate.prior(Members(members.theta, moved), points).double()


def _solved(K: Tensor, right: Tensor, noise: float) -> Tensor:
    """(K + s^2)^-1 right for each member; ValueError where K is singular and s is 0."""
    L, info = torch.linalg.cholesky_ex(K + noise**2 * torch.eye(K.shape[-1]).to(K))
    size = float(K.diagonal(dim1=1, dim2=2).max())
    # float32 gradients carry rounding of their own, so what is singular is below it.
    rounding = K.shape[-1] * torch.finfo(torch.float32).eps ** 2 * size
    if bool(info.any()) or float(L.diagonal(dim1=1, dim2=2).square().min()) <= rounding:
        raise ValueError(
            f"noise is {noise:g} and the kernel of these {K.shape[-1]} observations is singular; allowed: noise >= "
            f"{1e-4 * size**0.5:.1g}, or a wider network"
        )
    return torch.cholesky_solve(right[..., None], L).squeeze(-1)


def _rate(K: Tensor, noise: float, training: Training) -> tuple[Tensor, Tensor]:
    """Nesterov's rate and momentum for each member, (B,): 1 / L and (1 - sqrt q) / (1 + sqrt q), q = s^2 / L."""
    greatest = torch.linalg.eigvalsh(K)[:, -1] + noise**2
    q = (noise**2 / greatest).sqrt()
    return training.lr / greatest, (1 - q) / (1 + q)


def _descended(J: Tensor, residual: Tensor, rate: tuple[Tensor, Tensor], noise: float, steps: int) -> Tensor:
    """d (B, P) after `steps` on 1/2 |residual - J d|^2 + s^2/2 |d|^2 from 0."""
    (lr, momentum), d = (part[:, None] for part in rate), J.new_zeros(J.shape[0], J.shape[2])
    before = d
    for _ in range(steps):
        ahead = d + momentum * (d - before)
        off = torch.einsum("bnp,bp->bn", J, ahead) - residual
        before, d = d, ahead - lr * (torch.einsum("bnp,bn->bp", J, off) + noise**2 * ahead)
    return d


def _trained(
    surrogate: Surrogate,
    members: Members,
    x: Tensor,
    y: Tensor,
    points: Tensor,
    rate: tuple[Tensor, Tensor],
    noise: float,
    steps: int,
) -> Tensor:
    """f(.; theta) + <df(.; theta_0), theta_0'> at the points after `steps` from theta_0, all members at once."""
    theta_0 = members.theta

    def added(at: Tensor) -> Tensor:
        return surrogate.prior(members, at) - vmap(surrogate.f, (0, None))(theta_0, at)

    def loss(theta: Params, start: Params, target: Tensor) -> Tensor:
        decay = sum((theta[name] - start[name]).square().sum() for name in theta)
        return 0.5 * (surrogate.f(theta, x) - target).square().sum() + 0.5 * noise**2 * decay

    gradient, target = vmap(grad(loss)), y.to(x) - added(x)
    lr, momentum = ({name: part.to(p).view(-1, *[1] * (p.ndim - 1)) for name, p in theta_0.items()} for part in rate)
    theta = before = theta_0
    for _ in range(steps):
        ahead = {name: p + momentum[name] * (p - before[name]) for name, p in theta.items()}
        step = gradient(ahead, theta_0, target)
        before, theta = theta, {name: p - lr[name] * step[name] for name, p in ahead.items()}
    f = vmap(surrogate.f, (0, None))(theta, points) + added(points)
    if not math.isfinite(float(f.abs().max())):
        raise ValueError("the networks diverged in training; allowed: a smaller lr, or noise > 0")
    return f.double()

"""How draws of networks are distributed: beside the posterior, and beside the prior, that they are said to have."""

from typing import Any

import torch
from torch import Tensor

from hpnets.bandits import Surrogate, Training, sample_paths
from hpnets.bandits.objectives import sphere_points
from hpnets.kernels import GaussianProcess, Posterior
from hpnets.papers.parts.drawn_networks import kernel, maker
from hpnets.papers.parts.seeds import seed_for

Measured = dict[str, Any]


def generator_for(use: str, seed: int) -> torch.Generator:
    """The generator of one use of a seed."""
    return torch.Generator().manual_seed(seed_for(use, seed))


def problem(network: str, observed: int, unseen: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points X of S^2 with targets sin(3 x_1) + x_2 x_3 of noise .1, and other points."""
    x = sphere_points(observed + unseen, 3, seed_for("points", seed))
    noise = torch.randn(observed, generator=generator_for("noise", seed), dtype=torch.float64)
    y = (3 * x[:observed, 0]).sin() + x[:observed, 1] * x[:observed, 2]
    return x[:observed], y.double() + 0.1 * noise, x[observed:]


def distances(f: Tensor, posterior: Posterior) -> Measured:
    """How far the mean and covariance of draws (R, M) are from a posterior's, and what R draws leave to chance.

    Floors: sqrt(tr C / R) / |m| for the mean, sqrt((1 + tr^2 C / |C|^2) / R) for the covariance.
    """
    m, C, count = posterior.mean[:, 0], posterior.covariance, len(f)
    trace, size = float(C.trace()), float(C.norm())
    return {
        "mean": float((f.mean(0) - m).norm() / m.norm()),
        "mean floor": (trace / count) ** 0.5 / float(m.norm()),
        "covariance": float((torch.cov(f.T) - C).norm()) / size,
        "covariance floor": ((1 + trace**2 / size**2) / count) ** 0.5,
    }


def lost(K: Tensor, cross: Tensor, s: float, C: Tensor) -> float:
    """|s^2 T* A^2 T*'| / |C|, A = (T + s^2)^-1: the covariance that draws lack without noise on their targets."""
    solved = torch.linalg.solve(K + s**2 * torch.eye(len(K)).to(K), cross.T)
    return s**2 * float((solved.T @ solved).norm() / C.norm())


def fixed_features(
    network: str, seed: int, width: int, observed: int, unseen: int, draws: int, device: str
) -> Measured:
    """Draws of one network linearised, theta_0' drawn whole: the posterior of its own kernel T_0, s^2 = mean T_0(x, x).

    f = f_0 + T_0* A (y + s e - f_0(X)), f_0 = J theta_0'.
    """
    x, y, new = (part.to(device) for part in problem(network, observed, unseen, seed))
    surrogate, generator = Surrogate(maker(network, x, width)), generator_for("members", seed)
    theta = surrogate.draw(1, generator).theta
    J = surrogate.features(theta, torch.cat([x, new]))[0].double()
    T = J @ J.T
    s = float(T.diagonal().mean()) ** 0.5
    gp = GaussianProcess(T[:observed, :observed], y[:, None], noise=s)
    posterior = gp.condition(T[observed:, :observed], T[observed:, observed:])
    f_0 = torch.cat([torch.randn(500, J.shape[1], generator=generator).double() @ J.T for _ in range(draws // 500 + 1)])
    f_0, made = f_0[:draws], {}
    for name, size in (("noise", s), ("quiet", 0.0)):
        e = size * torch.randn(draws, observed, generator=generator, dtype=torch.float64)
        right = (y + e - f_0[:, :observed]).T
        c = GaussianProcess(T[:observed, :observed], right, noise=s).coefficients
        made[name] = distances(f_0[:, observed:] + (T[observed:, :observed] @ c).T, posterior)
    predicted = lost(T[:observed, :observed], T[observed:, :observed], s, posterior.covariance)
    return made | {"predicted": predicted}


def fresh_networks(
    network: str, seed: int, width: int, observed: int, unseen: int, draws: int, device: str
) -> Measured:
    """Draws of STO-BNTS-Linear, each of a network of its own, against the posterior of the limit kernel."""
    x, y, new = (part.to(device) for part in problem(network, observed, unseen, seed))
    k, surrogate, made = kernel(network, x), Surrogate(maker(network, x, width)), {}
    s = float(k(x, x).diagonal().mean()) ** 0.5
    posterior = GaussianProcess(k, y[:, None], x, noise=s).predict(new)
    for name, target_noise in (("noise", True), ("quiet", False)):
        training, generator = Training(target_noise=target_noise), generator_for("members", seed)
        f = sample_paths(surrogate, x, y, new, draws, generator, noise=s, training=training, memory="256MiB")
        made[name] = distances(f, posterior)
    return made | {"predicted": lost(k(x, x), k(new, x), s, posterior.covariance)}


def prior(network: str, seed: int, width: int, draws: int, points: int, device: str) -> Measured:
    """The covariance of f_0 against the limit kernel T, the read-out of theta_0' zero, and kept."""
    x = sphere_points(points, 3, seed_for("points", seed)).to(device)
    surrogate, T = Surrogate(maker(network, x, width)), kernel(network, x)(x, x)
    made: Measured = {"floor": ((1 + float(T.trace()) ** 2 / float(T.norm()) ** 2) / draws) ** 0.5}
    for name, keep in (("zeroed", False), ("kept", True)):
        generator = generator_for("members", seed)
        parts = [surrogate.draw(min(100, draws), generator, keep) for _ in range(max(1, draws // 100))]
        f_0 = torch.cat([surrogate.prior(part, x) for part in parts]).double()
        made[name] = float((torch.cov(f_0.T) - T).norm() / T.norm())
    return made

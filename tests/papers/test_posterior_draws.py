"""Networks drawn quickly, the covariance that quiet draws lack, and runs of optimisers."""

import pytest
import torch

from hpnets.bandits import RandomSearch
from hpnets.bandits.objectives import sphere_points, standardised
from hpnets.kernels import GaussianProcess
from hpnets.ntk import ntk
from hpnets.papers.parts.bandit_runs import lifted, objective_of, optimiser, played
from hpnets.papers.parts.drawn_networks import kernel, maker
from hpnets.papers.parts.posterior_draws import distances, lost

X = sphere_points(12, 4, 0)


@pytest.mark.parametrize("name", ["mlp", "pnn_skip", "ccp", "pnn_skip-sum", "ccp-sum"])
def test_networks_tend_to_their_kernel(name: str) -> None:
    K = kernel(name, X, amplitude=2.0)(X, X)
    assert float(K.diagonal().mean()) == pytest.approx(4)
    torch.manual_seed(0)
    wide = [maker(name, X, 1024, amplitude=2.0)() for _ in range(3)]
    params = [{key: p.detach() for key, p in net.named_parameters() if "bias" not in key} for net in wide]
    mean = sum(ntk(net, X, outputs="trace", params=p) for net, p in zip(wide, params, strict=True)) / 3
    assert float((mean.double() - K).norm() / K.norm()) < 0.1
    assert not torch.equal(*(next(iter(p.values())) for p in params[:2]))


def test_what_quiet_draws_lack() -> None:
    """Draws by a square root of the joint covariance of f_0, against the formula; with noise nothing is missing."""
    K, s, count = kernel("mlp", X)(X, X), 1.0, 200_000
    C = GaussianProcess(K[:8, :8], torch.ones(8, 1), noise=s).condition(K[8:, :8], K[8:, 8:])
    G = torch.Generator().manual_seed(0)
    f_0 = torch.randn(count, 12, generator=G, dtype=torch.float64) @ torch.linalg.cholesky(K).T
    e = s * torch.randn(count, 8, generator=G, dtype=torch.float64)
    gain = torch.linalg.solve(K[:8, :8] + s**2 * torch.eye(8), K[:8, 8:])
    quiet, noisy = (f_0[:, 8:] + (1 + sign * e - f_0[:, :8]) @ gain for sign in (0, 1))
    off = float((torch.cov(quiet.T) - C.covariance).norm() / C.covariance.norm())
    assert off == pytest.approx(lost(K[:8, :8], K[8:, :8], s, C.covariance), abs=0.01)
    assert off > 0.08
    seen = distances(noisy, C)
    assert seen["mean"] < 2 * seen["mean floor"]
    assert seen["covariance"] < 2 * seen["covariance floor"]


def test_runs() -> None:
    box = standardised(2 * torch.rand(30, 2, generator=torch.Generator().manual_seed(0)) - 1, torch.arange(30.0))
    on_sphere = lifted(box)
    torch.testing.assert_close(on_sphere.candidates[:, :2] / on_sphere.candidates[:, 2:], box.candidates)
    run = played(RandomSearch(0), box, 0.1, 5, 400, 1, 0)
    assert run["hit"]
    assert run["total"] / 400 == pytest.approx(box.best, abs=0.15)
    first = played(optimiser("gp-ucb", X, 8, 0.1, 0), objective_of("draw", 12, "digits", 0), 0.1, 2, 6, 3, 0)
    assert len(first["regret"]) == 6
    assert min(first["regret"]) >= 0

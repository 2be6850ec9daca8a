"""botorch's optimiser by ask and tell, and its processes beside ours; without botorch, what is said."""

import math
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from hpnets.bandits import BoTorch, RandomSearch
from hpnets.bandits.objectives import branin, on_box
from hpnets.kernels import GaussianProcess
from hpnets.papers import load_paper
from hpnets.papers.parts.bandit_runs import played
from hpnets.papers.thompson_sampling.cells import cells
from hpnets.papers.thompson_sampling.sizes import Sizes
from tests.kernels.test_gaussian_process import NEW, X, Y, limit

INSTALLED = find_spec("botorch") is not None


@pytest.mark.skipif(INSTALLED, reason="botorch is installed")
def test_without_botorch_it_says_what_to_install() -> None:
    with pytest.raises(ValueError, match=r"botorch is not installed; allowed: pip install 'hpnets\[bandits\]'"):
        BoTorch(0.1)


def test_the_study_has_its_cells_only_when_asked() -> None:
    both = [{cell.name: cell for cell in cells(Sizes(peer=peer))} for peer in ("none", "botorch")]
    beside = [cell for name, cell in both[1].items() if name not in both[0]]
    assert set(both[0]) < set(both[1])
    assert {cell.options["method"] for cell in beside} == {"botorch"}
    assert len(beside) == 6 * 16
    assert next(iter(both[1].values())) is beside[0], "what may be missing is tried before any work"
    with pytest.raises(ValueError, match="peer is 'botorh'; allowed: none, botorch"):
        cells(Sizes(peer="botorh"))
    assert "peer" in load_paper("thompson_sampling").options


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="pip install 'hpnets[bandits]'")
def test_it_finds_what_random_search_does_not_and_goes_on_from_its_state() -> None:
    objective = on_box(branin, 2, 150, 0)
    runs = [[played(make(seed), objective, 0.1, 5, 15, 3, seed) for seed in range(3)] for make in (new, RandomSearch)]
    ours, chance = (sum(run["total"] for run in each) for each in runs)
    assert ours < 0.6 * chance
    first, second = new(0), new(7)
    x = first.propose(objective.candidates, 5)
    first.observe(x, objective.at(x))
    state = {key: value.clone() for key, value in first.state_dict().items()}
    proposed = first.propose(objective.candidates, 3)
    second.load_state_dict(state)
    assert torch.equal(second.propose(objective.candidates, 3), proposed)
    assert len(proposed.unique(dim=0)) == 3, "a batch takes its own points as pending"


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="pip install 'hpnets[bandits]'")
def test_our_process_is_that_of_botorch_and_its_likelihood_that_of_gpytorch() -> None:
    """The same limit kernel, 30 points, known noise: mean, covariance and log p(y) to 1e-8."""
    import gpytorch
    from botorch.models import SingleTaskGP

    class Limit(gpytorch.kernels.Kernel):  # type: ignore[misc,unused-ignore]
        def forward(self, a: Tensor, b: Tensor, diag: bool = False, **_: object) -> Tensor:
            K = limit(a.reshape(-1, 3), b.reshape(-1, 3))
            return K.diagonal() if diag else K

    ours = GaussianProcess(limit, Y, X, noise=0.1)
    theirs = SingleTaskGP(
        *(X, Y, torch.full_like(Y, 0.01)),
        covar_module=Limit(),
        mean_module=gpytorch.means.ZeroMean(),
        outcome_transform=None,
    )
    with torch.no_grad(), gpytorch.settings.fast_computations(False, False, False):
        likelihood = gpytorch.mlls.ExactMarginalLogLikelihood(theirs.likelihood, theirs)
        log_p = len(X) * float(likelihood(theirs.train()(X), Y[:, 0]))
        peer, own = theirs.eval()(NEW), ours.predict(NEW)
        assert float((peer.mean - own.mean[:, 0]).abs().max()) < 1e-8
        assert float((peer.covariance_matrix - own.covariance).abs().max()) < 1e-8
    assert math.isclose(log_p, ours.log_marginal_likelihood, rel_tol=1e-8)


def new(seed: int) -> BoTorch:
    return BoTorch(0.1, seed)

"""botorch's optimiser behind this library's ask and tell, where botorch is installed: pip install 'hpnets[bandits]'."""

import warnings
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from hpnets.bandits.ask_and_tell import AskAndTell

# Candidates whose acquisition is computed at once: each has 512 joint samples with all that was observed.
AT_ONCE = 256


class BoTorch(AskAndTell):
    """What botorch chooses by default: its own kernel, fitted anew for each proposal, and log noisy improvement.

    The process is `SingleTaskGP` on standardised values with the known noise, its hyper-parameters those of the
    greatest posterior; inputs are flattened, and scaled to [0, 1] over the candidates. A batch is greedy: each point's
    values are pending for the next ones. Before there are observations, candidates are drawn at random. Arguments are
    those of `AskAndTell`. Raises ValueError where botorch is not installed.

    Source: Balandat et al. 2020 (arXiv 1910.06403); Ament et al. 2023 (arXiv 2310.20708).
    """

    def __init__(self, noise: float, seed: int = 0, repeats: bool = True) -> None:
        super().__init__(noise, seed, repeats)
        if find_spec("botorch") is None:
            raise ValueError("botorch is not installed; allowed: pip install 'hpnets[bandits]', or another optimiser")

    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """The acquisition of each candidate, once for each point of the batch."""
        if self.x is None:
            return torch.rand(batch, len(candidates), generator=self.generator)
        seed = int(torch.randint(2**31, (), generator=self.generator))
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            torch.default_generator.manual_seed(seed)
            warnings.simplefilter("ignore")  # of kernels fitted to few observations
            return _improvements(*_scaled(candidates, self.x), self.y, self.noise, batch)


def _scaled(candidates: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates and observed points (n, features), float64, such that candidates fill [0, 1] in each feature."""
    flat = candidates.flatten(1).double()
    low, size = flat.amin(0), (flat.amax(0) - flat.amin(0)).clamp_min(1e-12)
    return (flat - low) / size, (x.flatten(1).double() - low) / size


def _improvements(candidates: Tensor, x: Tensor, y: Tensor, noise: float, batch: int) -> Tensor:
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms import Standardize
    from gpytorch.mlls import ExactMarginalLogLikelihood

    variance = torch.full_like(y, max(noise**2, 1e-8))[:, None]
    model: Any = SingleTaskGP(x, y[:, None], variance, outcome_transform=Standardize(m=1))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    rows, pending = [], x[:0]
    for _ in range(batch):
        of = qLogNoisyExpectedImprovement(model, x, X_pending=pending if len(pending) else None, prune_baseline=True)
        with torch.no_grad():
            rows.append(torch.cat([of(part[:, None]) for part in candidates.split(AT_ONCE)]))
        pending = torch.cat([pending, candidates[rows[-1].argmax()][None]])
    return torch.stack(rows)

"""Thompson sampling by networks, and its baselines on the same kernel."""

import math

import torch
from torch import Tensor

from hpnets.bandits.ask_and_tell import AskAndTell
from hpnets.bandits.paths import Solver, Training, sample_paths
from hpnets.bandits.surrogate import MakeNet, Surrogate, Variant
from hpnets.kernels import GaussianProcess, KernelFunction, Posterior, jittered_cholesky
from hpnets.validate import finite, positive


class STOBNTS(AskAndTell):
    r"""Sample-then-optimise batch neural Thompson sampling: each point of a batch maximises a network of its own.

    Each member draws theta_0 and theta_0', is trained on noisy copies of the observations with weight decay towards its
    start, and proposes the candidate where it is greatest: an independent draw of the posterior of GP(0, NTK). Members
    of a batch are trained at once. Arguments are those of `Surrogate`, `AskAndTell` and `Training`; variant "linear" is
    STO-BNTS-Linear, solved exactly by default. Raises ValueError as these do.

        opt = STOBNTS(make_net, noise=0.1)
        x = opt.propose(candidates, batch=4)
        opt.observe(x, evaluate(x))

    Source: Dai et al. 2022, "Sample-Then-Optimize Batch Neural Thompson Sampling" (arXiv 2210.06850).
    """

    def __init__(
        self,
        make_net: MakeNet,
        noise: float,
        variant: Variant = "linear",
        *,
        solver: Solver | None = None,
        steps: int = 300,
        lr: float = 1.0,
        target_noise: bool = True,
        beta: float = 1.0,
        seed: int = 0,
        repeats: bool = True,
        memory: str | float = "2GiB",
    ) -> None:
        super().__init__(noise, seed, repeats)
        chosen = solver or ("exact" if variant == "linear" else "descent")
        self.training = Training(variant, chosen, steps, lr, target_noise, beta)
        self.surrogate, self.memory = Surrogate(make_net), memory

    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """A draw of the posterior for each point of the batch."""
        given = (self.surrogate, self.x, self.y, candidates, batch, self.generator)
        return sample_paths(*given, noise=self.noise, training=self.training, memory=self.memory)


class RandomSearch(AskAndTell):
    """Proposes candidates uniformly at random."""

    def __init__(self, seed: int = 0, repeats: bool = True) -> None:
        super().__init__(1.0, seed, repeats)

    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """Numbers at random."""
        return torch.rand(batch, len(candidates), generator=self.generator)


class GPThompson(AskAndTell):
    """Thompson sampling with draws of the posterior of GP(0, kernel) itself, by a Cholesky factor over all candidates.

    kernel: a function k(x1, x2), as for `GaussianProcess`. beta multiplies the posterior's deviation.
    """

    def __init__(
        self, kernel: KernelFunction, noise: float, *, beta: float = 1.0, seed: int = 0, repeats: bool = True
    ) -> None:
        super().__init__(noise, seed, repeats)
        self.kernel, self.beta = kernel, positive("beta", beta)

    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """A draw of the posterior for each point of the batch."""
        posterior = _posterior(self.kernel, self.x, self.y, candidates, self.noise)
        wide = posterior._replace(covariance=self.beta**2 * posterior.covariance, scale=self.beta**2 * posterior.scale)
        return wide.samples(batch, self.generator).values[:, :, 0]


class GPUCB(AskAndTell):
    r"""The upper confidence bound mean + beta_t deviation of GP(0, kernel); a batch takes each point's mean as seen.

    beta: a number, or None for `confidence_width`, beta_t = bound + s sqrt(2 (gamma + 1 + log(1 / delta))), with the
    information gain gamma of the observations: the paper's beta_t, which scales the draws of Thompson sampling in its
    theorems too. Values within a batch are taken to be their means, so the mean stays and the deviation falls.
    Raises ValueError for beta None with noise 0, where gamma is infinite.

    Source: Chowdhury and Gopalan 2017 (arXiv 1704.00445), theorem 2; Desautels et al. 2014 for batches.
    """

    def __init__(
        self,
        kernel: KernelFunction,
        noise: float,
        *,
        beta: float | None = None,
        bound: float = 1.0,
        delta: float = 0.1,
        seed: int = 0,
        repeats: bool = True,
    ) -> None:
        super().__init__(noise, seed, repeats)
        self.kernel, self.bound, self.delta = kernel, positive("bound", bound), positive("delta", delta)
        self.beta = None if beta is None else finite("beta", beta, minimum=0)
        if beta is None and noise == 0:
            raise ValueError(
                "beta is None with noise 0, which leaves beta_t undefined; allowed: a number, or noise > 0"
            )

    def scores(self, candidates: Tensor, batch: int) -> Tensor:
        """The bound at each candidate, once for each point of the batch."""
        posterior, rows = _posterior(self.kernel, self.x, self.y, candidates, self.noise), []
        width = self._width() if self.beta is None else self.beta
        mean, C = posterior.mean[:, 0], posterior.covariance
        for _ in range(batch):
            rows.append(mean + width * C.diagonal().clamp_min(0).sqrt())
            at = int(rows[-1].argmax())
            # A rank-one update: the covariance once the candidate `at` is observed too.
            C = C - torch.outer(C[at], C[at]) / (C[at, at] + self.noise**2).clamp_min(1e-300)
        return torch.stack(rows)

    def _width(self) -> float:
        K = torch.zeros(0, 0) if self.x is None else self.kernel(self.x, self.x)
        return confidence_width(K, self.noise, self.bound, self.delta)


def confidence_width(K: Tensor, noise: float, bound: float = 1.0, delta: float = 0.1) -> float:
    r"""beta_t = bound + s sqrt(2 (gamma + 1 + log(1 / delta))), gamma = 1/2 log det(1 + K / s^2), K of the observed.

    With probability 1 - delta |f - mean| <= beta_t deviation everywhere, at all times, if f has a norm of at most
    `bound` in the kernel's space and the noise is sub-Gaussian with s. K: (n, n). Raises ValueError for noise <= 0.
    """
    s = positive("noise", noise)
    gamma = 0.0
    if len(K):
        L, _ = jittered_cholesky(torch.eye(len(K), dtype=torch.float64, device=K.device) + K.double() / s**2)
        gamma = float(L.diagonal().log().sum())
    return bound + s * math.sqrt(2 * (gamma + 1 + math.log(1 / delta)))


def _posterior(kernel: KernelFunction, x: Tensor | None, y: Tensor, candidates: Tensor, noise: float) -> Posterior:
    if x is None:
        own = kernel(candidates, candidates).double()
        zero = torch.zeros(len(candidates), 1, dtype=torch.float64, device=own.device)
        return Posterior(zero, own, float(own.diagonal().max()), 0.0, True)
    return GaussianProcess(kernel, y[:, None], x, noise=noise).predict(candidates)

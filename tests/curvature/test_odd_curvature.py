"""The curvature of every odd module: against differences of plain gradients, and the oracle's Jacobian."""

import re
import warnings
from functools import cache

import pytest
import torch
from torch import Tensor

from hpnets.curvature import NetworkLoss, gauss_newton, hessian, network_loss, residual
from hpnets.ntk import UnprovenWarning, undisturbed
from hpnets.ntk._functional import own_parameters
from tests.ntk.odd_truth import EXACT, REFUSED, inputs, jacobian
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import FIRST, ODD_MODULES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

# The loss depends on values that autograd has constant, so that its gradient is not that of a function ..
CONSTANTS = {"NoGradInside", "NoGradLayer", "Detached", "StraightThrough", "SpectralNormInTrainMode", "Orthogonal"}
CONSTANTS |= {"ForeignFunction"}
# .. and torch's double backward of weight_norm has the norms constant: it is wrong (torch 2.14).
WRONG_IN_TORCH = {"WeightNorm", "WeightNormReadOut", "WeightNormConvolution", "HookedWeightNorm"}
UNREPEATED = {"StateOfAnotherObject"}  # each call is of another network
CUT = {"AdjointFunction"}  # its backward pass has no true derivative
REFUSES = {
    "Tokens": "not twice differentiable",
    "SparseGradients": "not twice differentiable",
    "Constant": "does not depend",
}


def criterion(f: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with soft targets, the mean over samples."""
    return (f.logsumexp(1) - (targets * f).sum(1)).mean()


@cache
def batch_of(name: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return inputs(name)[0], torch.rand(jacobian(name)[:FIRST].shape[:2], dtype=torch.float64, generator=generator)


def gradient_at(loss: NetworkLoss, theta: Tensor, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The plain gradient (P,) at the parameters theta (P,)."""
    params = loss.params
    parts = theta.split([p.numel() for p in params.values()])
    values = {name: part.view(p.shape).clone() for (name, p), part in zip(params.items(), parts, strict=True)}
    with undisturbed(loss.net, theta.device), own_parameters(loss.net, values) as own, torch.enable_grad():
        grads = torch.autograd.grad(loss(own, batch), list(own.values()), materialize_grads=True, allow_unused=True)
    return torch.cat([g.flatten() for g in grads])


def difference(loss: NetworkLoss, batch: tuple[Tensor, Tensor], v: Tensor, h: float) -> Tensor:
    """(g(theta + h v) - g(theta - h v)) / 2h, by the stencil whose error is h^4."""
    theta = torch.cat([p.detach().flatten() for p in loss.params.values()])

    def central(h: float) -> Tensor:
        return (gradient_at(loss, theta + h * v, batch) - gradient_at(loss, theta - h * v, batch)) / (2 * h)

    return (4 * central(h) - central(2 * h)) / 3


def dense_gauss_newton(name: str, f: Tensor) -> Tensor:
    """J^T H_f J (P, P) of the oracle's J, with the criterion's Hessian by its formula."""
    J, s = jacobian(name)[:FIRST], f.softmax(1)
    H_f = (torch.diag_embed(s) - s[:, :, None] * s[:, None, :]) / len(f)
    return torch.einsum("nop,noq,nqr->pr", J, H_f, J)


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp_min(1e-3))


@pytest.mark.parametrize("name", [name for name in EXACT if name not in {*REFUSES, *UNREPEATED, *CUT}])
def test_products_are_those_of_the_dense_matrices(name: str) -> None:
    net, batch = ODD_MODULES[name].net(), batch_of(name)
    loss, before = network_loss(net, criterion), snapshot(net)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        H = hessian(loss, loss.params, batch)
    unproven = any(issubclass(w.category, UnprovenWarning) for w in said)
    G, R = gauss_newton(loss, loss.params, batch), residual(loss, loss.params, batch, verify=False)
    v = torch.randn(H.shape[0], 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    Hv, Gv = H.matmat(v), G.matmat(v)
    assert same(before, snapshot(net))
    assert error(Gv + R.matmat(v), Hv) < 1e-10
    with torch.no_grad():
        assert error(Gv, dense_gauss_newton(name, loss.outputs(loss.params, batch[0])) @ v) < 1e-10
    assert unproven == (name in CONSTANTS | WRONG_IN_TORCH)
    # Kinks are avoided by a small step, which costs digits.
    h, tolerance = (1e-7, 1e-5) if H.kinks else (1e-3, 1e-8)
    h /= float(v[:, 0].norm())
    assert unproven or any(error(Hv[:, 0], difference(loss, batch, v[:, 0], h * s)) < tolerance for s in (1, 0.1))


def test_what_has_no_kernel_has_a_curvature_or_is_refused() -> None:
    """Samples that are coupled make a kernel impossible; the loss of a whole batch still has a curvature."""
    exact = []
    torch.manual_seed(0)  # of the draws
    for name in REFUSED:
        x = inputs(name)[0]
        loss = network_loss(ODD_MODULES[name].net(), lambda f, _: f.flatten(1).tanh().square().mean())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UnprovenWarning)
                H = hessian(loss, loss.params, (x, x))
        except UnprovenWarning:
            continue
        except ValueError as refusal:
            if not re.search("train mode|draws at random|checkpoint|dtype|uninit|no statistics", str(refusal)):
                raise
            continue
        v = torch.randn(H.shape[0], dtype=torch.float64, generator=torch.Generator().manual_seed(4))
        assert any(error(H.matvec(v), difference(loss, (x, x), v, h / float(v.norm()))) < 1e-5 for h in (1e-3, 1e-7))
        exact.append(name)
    assert {"CentredBatch", "SoftmaxOverTheBatch", "SequenceFirstAttention"} <= set(exact)
    drawing = {name for name in REFUSED if "draws" in str(ODD_MODULES[name].refused)}
    assert drawing & set(exact) == {"FixedDrawForEachPlace"}


@pytest.mark.parametrize("name", sorted(CUT))
def test_a_backward_pass_without_a_true_derivative_is_said_or_refused(name: str) -> None:
    loss = network_loss(ODD_MODULES[name].net(), criterion)
    with pytest.warns(UnprovenWarning, match="differ from differences"):
        hessian(loss, loss.params, batch_of(name))
    with pytest.raises(ValueError, match="a backward pass whose derivative is wrong"):
        gauss_newton(loss, loss.params, batch_of(name))


@pytest.mark.parametrize("name", REFUSES)
def test_what_has_no_curvature_is_refused(name: str) -> None:
    loss = network_loss(ODD_MODULES[name].net(), criterion)
    with pytest.raises(ValueError, match=REFUSES[name]):
        hessian(loss, loss.params, batch_of(name)).matvec(torch.ones(1, dtype=torch.float64))

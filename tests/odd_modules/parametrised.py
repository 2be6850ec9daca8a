"""Weights that are computed from parameters, and parameters that are only partly there."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import spectral_norm as hooked_spectral_norm

from tests.odd_modules.base import NO_FORWARD_MODE, odd


def mlp(hidden: nn.Module | None = None, out: nn.Module | None = None) -> nn.Sequential:
    """4 -> 5 -> 5 -> 3 with a hidden layer and a read-out as given."""
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), hidden or nn.Linear(5, 5), nn.Tanh(), out or nn.Linear(5, 3))


@odd(may_refuse=NO_FORWARD_MODE)
def WeightNorm() -> nn.Module:
    """weight_norm of a hidden layer."""
    return mlp(parametrizations.weight_norm(nn.Linear(5, 5)))


@odd(may_refuse=NO_FORWARD_MODE)
def WeightNormReadOut() -> nn.Module:
    """weight_norm of the read-out."""
    return mlp(out=parametrizations.weight_norm(nn.Linear(5, 3)))


@odd((2, 4, 4), may_refuse=NO_FORWARD_MODE)
def WeightNormConvolution() -> nn.Module:
    """weight_norm of a convolution."""
    return nn.Sequential(parametrizations.weight_norm(nn.Conv2d(2, 3, 3)), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))


@odd()
def SpectralNorm() -> nn.Module:
    """spectral_norm of a hidden layer and of the read-out; in eval mode its vectors rest."""
    return mlp(parametrizations.spectral_norm(nn.Linear(5, 5)), parametrizations.spectral_norm(nn.Linear(5, 3)))


@odd(train=True, may_refuse=NO_FORWARD_MODE)
def SpectralNormInTrainMode() -> nn.Module:
    """spectral_norm that moves its vectors at each call: the kernel is of the first call."""
    return mlp(parametrizations.spectral_norm(nn.Linear(5, 5)))


@odd()
def HookedSpectralNorm() -> nn.Module:
    """The old spectral_norm: a hook before forward sets a plain tensor as the weight."""
    return mlp(hooked_spectral_norm(nn.Linear(5, 5)))


@odd(may_refuse=NO_FORWARD_MODE)
def HookedWeightNorm() -> nn.Module:
    """The old weight_norm, the same way."""
    with torch.no_grad():
        return mlp(nn.utils.weight_norm(nn.Linear(5, 5)), nn.utils.weight_norm(nn.Linear(5, 3)))


@odd()
def Orthogonal() -> nn.Module:
    """Orthogonal weights, as products of Householder reflections; the read-out's too."""
    hidden, out = nn.Linear(5, 5), nn.Linear(5, 3)
    return mlp(*(parametrizations.orthogonal(layer, orthogonal_map="householder") for layer in (hidden, out)))


@odd()
def OrthogonalByCayley() -> nn.Module:
    """An orthogonal weight, by a linear system."""
    return mlp(parametrizations.orthogonal(nn.Linear(5, 5), orthogonal_map="cayley"))


class Symmetric(nn.Module):
    """W + W^T."""

    def forward(self, w: Tensor) -> Tensor:
        return w + w.T


@odd()
def SymmetricWeight() -> nn.Module:
    """A parametrization of one's own."""
    layer = nn.Linear(5, 5)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return mlp(layer)


@odd()
def Pruned() -> nn.Module:
    """Half of a weight masked by a hook before forward."""
    net = mlp()
    prune.random_unstructured(net[2], "weight", 0.5)
    prune.ln_structured(net[4], "weight", 0.4, n=2, dim=1)
    return net


class LowRank(nn.Linear):
    """W x + b + B A x, with W frozen."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.weight.requires_grad_(False)
        self.A, self.B = nn.Parameter(torch.randn(2, inputs)), nn.Parameter(torch.randn(outputs, 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x @ self.A.T @ self.B.T


@odd()
def LowRankAdaption() -> nn.Module:
    """Low-rank updates of frozen layers, the read-out's too."""
    return mlp(LowRank(5, 5), LowRank(5, 3))


class StandardisedConv(nn.Conv2d):
    """A convolution whose filters are standardised at each call, with a gain."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        w = self.gain * w / w.square().mean((1, 2, 3), keepdim=True).add(1e-6).sqrt()
        return F.conv2d(x, w, self.bias, padding=1)


@odd((2, 4, 4))
def StandardisedConvolutions() -> nn.Module:
    """Weight-standardised convolutions."""
    return nn.Sequential(
        StandardisedConv(2, 3), nn.ReLU(), StandardisedConv(3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)
    )


@odd()
def Frozen() -> nn.Module:
    """Some weights and some biases require no gradient."""
    net = mlp()
    net[0].weight.requires_grad_(False)
    net[2].bias.requires_grad_(False)
    net[4].weight.requires_grad_(False)
    return net


@odd()
def FrozenTrunk() -> nn.Module:
    """Only the read-out is trained."""
    net = mlp()
    net[:-1].requires_grad_(False)
    return net


@odd()
class SlicedParameter(nn.Module):
    """A wide weight of which a part is used."""

    def __init__(self) -> None:
        super().__init__()
        self.super, self.out = nn.Linear(8, 9), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(F.linear(x, self.super.weight[:6, 2:6], self.super.bias[:6])))


@odd()
class OneFlatParameter(nn.Module):
    """All weights are views of one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Parameter(torch.randn(4 * 5 + 5 * 3))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.flat[:20].view(5, 4), self.flat[20:].view(3, 5)
        return torch.tanh(x @ a.T) @ b.T


@odd()
class HyperNetwork(nn.Module):
    """A weight of its own for each sample, made by a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.out = nn.Linear(4, 20), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        w = self.maker(x).unflatten(1, (5, 4))
        return self.out(torch.tanh(torch.bmm(w, x[..., None])[..., 0]))


@odd()
class WeightFromALayer(nn.Module):
    """A weight that a layer makes of a constant: the layer never sees a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.out = nn.Linear(2, 4), nn.Linear(6, 3)
        self.register_buffer("code", torch.randn(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(F.linear(x, self.maker(self.code))))


@odd()
class ScaledWeights(nn.Module):
    """Weights scaled at run time, as equalised learning rates do, and a scalar gain."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out, self.gain = nn.Linear(4, 5), nn.Linear(5, 3), nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(F.linear(x, self.a.weight / 2, self.a.bias))
        return self.gain * F.linear(h, self.out.weight * 5**-0.5, self.out.bias)

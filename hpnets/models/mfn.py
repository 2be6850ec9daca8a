"""Multiplicative filter networks: products of sinusoids of the coordinates, with and without Gaussian windows."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import make_product
from hpnets.models.options import Product, above_0, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes


@dataclass(frozen=True)
class FilterOptions(OptionSet):
    """The filters of a multiplicative filter network."""

    depth: Annotated[int, count("filters k, with a layer between each two")] = 4
    width: Annotated[int, count("sinusoids of a filter, and units of a layer")] = 128


@dataclass(frozen=True)
class _Frequencies(FilterOptions):
    frequency: Annotated[float, above_0("root mean square of the sum of the filters' frequencies, in radians")] = 16.0


@dataclass(frozen=True)
class FourierMFNOptions(_Frequencies):
    """The filters and the product."""

    product: Product = "hadamard"


@dataclass(frozen=True)
class GaborMFNOptions(_Frequencies):
    """The filters, their windows and the product."""

    locality: Annotated[float, above_0("shape of the windows' Gamma law; the larger, the narrower they are")] = 2.0
    product: Product = "hadamard"


class FourierFilter(nn.Module):
    r"""g(x) = sin(w x + p), w ~ N(0, frequency^2 / inputs), p ~ U(-pi, pi): |w| has root mean square `frequency`."""

    def __init__(self, inputs: int, outputs: int, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency
        self.w = nn.Linear(inputs, outputs, bias=False)
        self.p = nn.Parameter(torch.empty(outputs).uniform_(-math.pi, math.pi))
        nn.init.normal_(self.w.weight, std=frequency * inputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.w(x) + self.p)


class GaborFilter(FourierFilter):
    r"""g(x) = sin(w x + p) exp(-gamma/2 |x - mu|^2), gamma ~ Gamma(locality, 1) / inputs, mu ~ U(-1, 1).

    The rows of w are scaled by sqrt(gamma inputs / locality), as in the paper: a narrow window holds a high frequency.
    """

    def __init__(self, inputs: int, outputs: int, frequency: float, locality: float) -> None:
        super().__init__(inputs, outputs, frequency)
        self.locality = locality
        gamma = torch.distributions.Gamma(locality, 1.0).sample((outputs,))
        self.gamma = nn.Parameter(gamma / inputs)
        self.mu = nn.Parameter(torch.empty(outputs, inputs).uniform_(-1, 1))
        with torch.no_grad():
            self.w.weight *= (gamma / locality).sqrt()[:, None]

    def forward(self, x: Tensor) -> Tensor:
        distance = x.square().sum(1, keepdim=True) - 2 * x @ self.mu.T + self.mu.square().sum(1)
        return super().forward(x) * torch.exp(-self.gamma / 2 * distance)


class MFN(nn.Module):
    r"""The recursion of all multiplicative filter networks, for filters g_i from R^d to R^width.

        z_1 = g_1(x);   z_{i+1} = (W_i z_i + b_i) * g_{i+1}(x), i = 1..k-1;   f = C z_k + c

    W_i, C ~ N(0, 2/width), so that the mean square of z_i stays that of a sinusoid, 1/2.
    """

    def __init__(self, g: list[nn.Module], width: int, output_dim: int, product: str) -> None:
        super().__init__()
        self.product = make_product(product)
        self.g = nn.ModuleList(g)
        self.W = nn.ModuleList(nn.Linear(width, width) for _ in g[1:])
        self.C = nn.Linear(width, output_dim)
        for layer in (*self.W, self.C):
            nn.init.normal_(layer.weight, std=(2 / width) ** 0.5)

    def layers(self, x: Tensor) -> list[Tensor]:
        """z_1..z_k, each (batch, width), of x (batch, d)."""
        z = [self.g[0](x)]
        for W_i, g_i in zip(self.W, self.g[1:], strict=True):
            z.append(self.product(W_i(z[-1]), g_i(x)))
        return z

    def forward(self, x: Tensor) -> Tensor:
        return self.C(self.layers(x.flatten(1))[-1])


@register_model("mfn_fourier")
class FourierMFN(MFN):
    r"""Fourier network: the recursion of `MFN` with sinusoids of the coordinates.

        z_1 = g_1(x);   z_{i+1} = (W_i z_i + b_i) * g_{i+1}(x);   f = C z_k + c;   g_i(x) = sin(w_i x + p_i)

    x: (batch, *input_shape), flattened to coordinates in R^d; z_i: (batch, width); f: (batch, output_dim); k is depth.
    f is a sum of sinusoids of the frequencies +-w_j +- .. +- w_k, j = 1..k, with one row of each w_i.
    w_i ~ N(0, frequency^2 / (d k)): their sum over the filters has root mean square norm `frequency`, in radians a
    unit of x.

    Raises ValueError for what the options do not allow.
    Source: Fathony et al. 2021, "Multiplicative Filter Networks" (ICLR); there the scale of w
    does not depend on d.
    """

    @takes(FourierMFNOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: FourierMFNOptions) -> None:
        d, each = math.prod(input_shape), o.frequency * o.depth**-0.5
        super().__init__([FourierFilter(d, o.width, each) for _ in range(o.depth)], o.width, output_dim, o.product)


@register_model("mfn_gabor")
class GaborMFN(MFN):
    r"""Gabor network: as `FourierMFN`, with g_i(x) = sin(w_i x + p_i) exp(-gamma_i/2 |x - mu_i|^2).

    gamma_i ~ Gamma(locality / k, 1) / d, so that the windows of the k = `depth` filters together have the mean width
    of one of `locality`; mu_i ~ U(-1, 1), where the coordinates are expected. The additive twin keeps the windows.

    Raises ValueError for what the options do not allow.
    Source: Fathony et al. 2021, "Multiplicative Filter Networks" (ICLR); there the scale of
    gamma and w does not depend on d.
    """

    @takes(GaborMFNOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: GaborMFNOptions) -> None:
        d, each, gamma = math.prod(input_shape), o.frequency * o.depth**-0.5, o.locality / o.depth
        super().__init__([GaborFilter(d, o.width, each, gamma) for _ in range(o.depth)], o.width, output_dim, o.product)

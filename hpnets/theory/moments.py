r"""A layer of infinite width, seen from two sets of points: its first two moments and its tangent kernel."""

import itertools
from dataclasses import dataclass, replace

import torch
from torch import Tensor

_SOURCES = itertools.count()
Means = tuple[Tensor, Tensor]


def fresh() -> frozenset[int]:
    """A new mark, for the coordinates of a layer of new weights."""
    return frozenset({next(_SOURCES)})


@dataclass(frozen=True)
class Moments:
    r"""Moments of one coordinate y of an infinitely wide layer, at points x of one set and x' of another.

        S = E[y(x) y(x')],   T = sum_p var_p dy(x)/dp dy(x')/dp,   S_1 = E[y(x) y(x)],   S_2 = E[y(x') y(x')],   E[y]

    S, T: (N1, N2, P, P) over P positions (1 for vectors; the pixels `grid` of an image). S_1: (N1, P, P). S_2: (N2, P,
    P). mean: E[y] at both sets, (N1, P) and (N2, P), or None if it is 0. gaussian: whether y is a Gaussian process of
    mean 0, which activations need. sources: marks of the weights that y is made of; two features that share none are
    independent, and may be added or multiplied.

        a * b:   S = S_a S_b,   T = T_a S_b + S_a T_b,   E = E_a E_b
        a + b:   S = S_a + S_b + E_a E_b' + E_b E_a',   T = T_a + T_b,   E = E_a + E_b

    Numbers scale and shift: c * y has c^2 S and c^2 T; c + y has S + c (E + E') + c^2 and the same T. A skip
    s * y + y, whose terms share y, is written (1 + s) * y.

    Complex features have S = E[y(x) conj y(x')] and T = sum_p var_p dy(x)/dp conj(dy(x')/dp), p real, to which the same
    rules apply; `complex_nodes` makes them, and makes them real again.

    mixed: whether the coordinates are several positions side by side (`flatten`), so that S, T and the mean are means
    over these; the mean of a product over positions is not the product of means.

    Raises ValueError for a sum or product of features that share weights, and for a product of two mixed features, or
    a sum of two whose means are not 0.
    """

    S: Tensor
    T: Tensor
    S_1: Tensor
    S_2: Tensor
    mean: Means | None = None
    grid: tuple[int, ...] = ()
    gaussian: bool = False
    sources: frozenset[int] = frozenset()
    mixed: bool = False

    def __mul__(self, other: "Moments | float") -> "Moments":
        return multiply(self, other) if isinstance(other, Moments) else scale(self, other)

    def __add__(self, other: "Moments | float") -> "Moments":
        return add(self, other) if isinstance(other, Moments) else shift(self, other)

    __rmul__, __radd__ = __mul__, __add__

    @property
    def variances(self) -> tuple[Tensor, Tensor]:
        """E[y^2] at each point and position, (N1, P) and (N2, P)."""
        return self.S_1.diagonal(dim1=-2, dim2=-1), self.S_2.diagonal(dim1=-2, dim2=-1)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """The products (N1, N2, P, P) of a (N1, P) and b (N2, P)."""
    return a[:, None, :, None] * b[None, :, None, :]


def plus_outer(S: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """S + outer(a, conj b)."""
    return torch.addcmul(S, a[:, None, :, None], b.conj()[None, :, None, :])


def within(a: Tensor, b: Tensor) -> Tensor:
    """The products (N, P, P) over each point's positions of a (N, P) and conj b (N, P)."""
    return a[:, :, None] * b.conj()[:, None, :]


def multiply(a: Moments, b: Moments) -> Moments:
    """The Hadamard product of independent features, by the product rule."""
    sources, mixed = _apart(a, b, "product"), _aligned(a, b, "product")
    mean = None if a.mean is None or b.mean is None else (a.mean[0] * b.mean[0], a.mean[1] * b.mean[1])
    T = torch.addcmul(a.T * b.S, a.S, b.T)
    return Moments(a.S * b.S, T, a.S_1 * b.S_1, a.S_2 * b.S_2, mean, a.grid or b.grid, False, sources, mixed)


def add(a: Moments, b: Moments) -> Moments:
    """The sum of independent features, which is Gaussian if both are."""
    sources, mixed = _apart(a, b, "sum"), a.mixed or b.mixed
    S, S_1, S_2 = a.S + b.S, a.S_1 + b.S_1, a.S_2 + b.S_2
    mean = a.mean or b.mean
    if a.mean and b.mean:
        _aligned(a, b, "sum")
        (a_1, a_2), (b_1, b_2) = a.mean, b.mean
        mean = a_1 + b_1, a_2 + b_2
        S = plus_outer(plus_outer(S, a_1, b_2), b_1, a_2)
        S_1, S_2 = (own + cross + cross.mH for own, cross in ((S_1, within(a_1, b_1)), (S_2, within(a_2, b_2))))
    return Moments(S, a.T + b.T, S_1, S_2, mean, a.grid or b.grid, a.gaussian and b.gaussian, sources, mixed)


def scale(h: Moments, c: float) -> Moments:
    """The moments of c y for a number c."""
    mean = h.mean and (c * h.mean[0], c * h.mean[1])
    return replace(h, S=c**2 * h.S, T=c**2 * h.T, S_1=c**2 * h.S_1, S_2=c**2 * h.S_2, mean=mean)


def shift(h: Moments, c: float) -> Moments:
    """The moments of c + y for a number c."""
    c_1, c_2 = (torch.full_like(v, c) for v in h.variances)
    return translate(h, c_1, c_2)


def translate(h: Moments, c_1: Tensor, c_2: Tensor) -> Moments:
    """The moments of c(x) + y(x) for a number c at each point and position, (N1, P) and (N2, P)."""
    m_1, m_2 = h.mean or (torch.zeros_like(v) for v in h.variances)
    S = plus_outer(plus_outer(h.S, c_1, m_2 + c_2), m_1, c_2)
    S_1, S_2 = (
        own + within(c, m) + within(m, c) + within(c, c) for own, c, m in ((h.S_1, c_1, m_1), (h.S_2, c_2, m_2))
    )
    return replace(h, S=S, S_1=S_1, S_2=S_2, mean=(m_1 + c_1, m_2 + c_2), gaussian=False)


def rescale(h: Moments, g_1: Tensor, g_2: Tensor) -> Moments:
    """The moments of g(x) y(x) for a number g at each point and position, (N1, P) and (N2, P), or P = 1 for all."""
    mean = h.mean and (g_1 * h.mean[0], g_2 * h.mean[1])
    g = outer(g_1, g_2)
    return replace(h, S=g * h.S, T=g * h.T, S_1=within(g_1, g_1) * h.S_1, S_2=within(g_2, g_2) * h.S_2, mean=mean)


def _apart(a: Moments, b: Moments, what: str) -> frozenset[int]:
    if a.sources & b.sources:
        raise ValueError(
            f"{what} of features that share weights, so that they are not independent; allowed: features of layers of "
            "their own; write s * y + y as (1 + s) * y, and y + y as 2 * y"
        )
    return a.sources | b.sources


def _aligned(a: Moments, b: Moments, what: str) -> bool:
    """Whether one of the two is mixed; raises ValueError if both are."""
    if a.mixed and b.mixed:
        raise ValueError(
            f"{what} of two flattened features: its mean over positions is not the {what} of their means; allowed: the "
            f"{what} before `flatten`"
        )
    return a.mixed or b.mixed

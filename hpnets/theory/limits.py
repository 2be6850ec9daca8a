"""The infinite-width kernels of a registered network, made tile by tile."""

import copy
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from hpnets.linalg import tiles
from hpnets.ntk import eager, parse_bytes
from hpnets.theory.checks import check_points
from hpnets.theory.laws import Laws
from hpnets.theory.moments import Moments
from hpnets.theory.points import Points

# A tile holds at most HELD tensors at once (5 to 34 were measured); a tile of CACHED pairs of points fits the cache.
HELD, CACHED = 36, 2**17


class Scaling(Protocol):
    """A parameter's constants: `multiplier` multiplies it in the function, `init` multiplied its draw.

    `epsilon`, Adam's, is another one than 1 within a residual branch that is scaled.
    """

    multiplier: float
    init: float
    epsilon: float


@runtime_checkable
class Created(Protocol):
    """What `hpnets.models.create_model` declares about a network: its parametrisation and how its weights are drawn."""

    scalings: Mapping[str, Scaling]
    drawn: str


class LimitKernel(NamedTuple):
    """The two limit kernels of one output, (N1, N2) each; outputs are independent and have the same kernels.

    covariance: that of the network's outputs at initialisation. ntk: its neural tangent kernel.
    """

    covariance: Tensor
    ntk: Tensor


def limit_kernel(net: nn.Module, x1: Tensor, x2: Tensor | None = None, *, memory: str | float = "4GiB") -> LimitKernel:
    r"""The covariance and the NTK of a network whose layers are infinitely wide, in closed form.

        S = E[f_o(x1) f_o(x2)],   T = lim sum_p var_p df_o(x1)/dp df_o(x2)/dp

    var_p is the variance that parameter p is drawn with. T is the NTK of the network in the NTK parametrisation,
    written with standard normal parameters times sqrt(var_p), in which a limit exists; parameters that start at a
    constant (biases at 0, gates) have no share. `ntk_parametrised_kernel` is T's counterpart at the network's own
    width. Each layer keeps the W variance times fan_in and the bias variance that it has in `net`. Only options are
    read, not the weights, except for frozen features, which are taken as they are.

    Args:
        net: a registered model, or a module with `register_limit`, in eval mode where that matters.
        x1: points (N1, *shape), float32 or float64; the work is in float64, and differentiable in the points.
        x2: points (N2, *shape); None means x1, and half of the work.
        memory: bytes, or a text such as "500MiB", for kernels and work together.

    Raises ValueError for a family without a limit, with the reason; for integer or half precision points; for shapes
    that do not match; for points whose squares leave float64's range, or so large that the kernel does (entries below
    1e-308 are 0); and if the kernels and the work for one pair of points exceed `memory`.
    Sources: Jacot et al. 2018 (arXiv 1806.07572); Wu et al. 2022 (arXiv 2209.07736) for products.
    """
    check_points(x1, x2)
    net = eager(net)
    _check_shape(net, x1)
    x1, x2 = x1.double(), None if x2 is None else x2.double()
    size = _tile(net, x1, len(x1 if x2 is None else x2), parse_bytes(memory))
    columns = x1 if x2 is None else x2
    shape = len(x1), len(columns)
    kernel = LimitKernel(x1.new_empty(shape), x1.new_empty(shape))
    for rows in tiles(len(x1), size):
        for cols in tiles(len(columns), size):
            if x2 is not None or rows.start <= cols.start:
                h = _derive(net, x1[rows], columns[cols])
                for K, part in zip(kernel, (h.S[..., 0, 0], h.T[..., 0, 0]), strict=True):
                    K[rows, cols] = part
                    if x2 is None and rows.start < cols.start:
                        K[cols, rows] = part.mT
    _check_finite(kernel, net, max(float(x.detach().abs().max()) for x in (x1, columns)))
    return kernel


def _check_finite(kernel: LimitKernel, net: nn.Module, size: float) -> None:
    """Raise ValueError if a product of features left float64's range on the way."""
    if not all(bool(torch.isfinite(K.detach()).all()) for K in kernel):
        raise ValueError(
            f"the limit of {type(net).__name__} at points of size {size:.3g} exceeds float64, as products grow by "
            f"their degree; allowed: smaller points, such as x / {size:.3g}"
        )


def init_variances(net: nn.Module, x: Tensor) -> dict[str, float]:
    """The variance that each parameter of a network with a limit is drawn with, by name; x: points of its shape.

    Raises ValueError as `limit_kernel` does.
    """
    check_points(x, None)
    net, laws = eager(net), Laws()
    _check_shape(net, x)
    _derive(net, x[:1].double(), x[:1].double(), laws)
    scale = {name: scaling.init**2 for name, scaling in net.scalings.items()} if isinstance(net, Created) else {}
    return {name: laws.variances[id(p)] * scale.get(name, 1.0) for name, p in net.named_parameters()}


def _check_shape(net: nn.Module, x: Tensor) -> None:
    """Raise ValueError for points that the network does not take; a copy is tried, so that `net` stays as it is."""
    trial = copy.deepcopy(net).eval()
    try:
        with torch.no_grad():
            trial(x[:1].to(next(trial.parameters(), x)))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"x1 holds points of shape {tuple(x.shape[1:])}; allowed: those that {type(net).__name__} takes ({error})"
        ) from error


def _derive(net: nn.Module, x1: Tensor, x2: Tensor, laws: Laws | None = None) -> Moments:
    if isinstance(net, Created):
        _check_created(net)
    h = (laws or Laws())(net, Points(x1, x2))
    if h.S.shape[2:] != (1, 1):
        raise ValueError(f"the limit of {type(net).__name__} ends on a grid {h.grid}; allowed: vectors, by `average`")
    return h


def _check_created(net: Created) -> None:
    """Raise ValueError if the network's function or its draw differs from what its model says."""
    if any(abs(s.multiplier * s.init - 1) > 1e-9 or s.epsilon != 1 for s in net.scalings.values()):
        raise ValueError("net is in a parametrisation that changes its function, as mup; allowed: standard or ntk")
    if net.drawn != "own":
        raise ValueError(f"net is drawn with init {net.drawn!r}, not as its model says; allowed: init 'own'")


def _tile(net: nn.Module, x1: Tensor, columns: int, memory: int) -> int:
    """The rows, and columns, of a tile; ValueError if the kernels, or one pair of points beside them, do not fit."""
    left = memory - 2 * 8 * len(x1) * columns
    if left <= 0:
        raise ValueError(
            f"memory is {memory} bytes, but two kernels of {len(x1)} x {columns} points take {memory - left}; allowed: "
            f"some {int((memory / 16) ** 0.5)} x {int((memory / 16) ** 0.5)} points at a time, or more memory"
        )
    laws = Laws()
    with torch.no_grad():
        _derive(net, x1[:1], x1[:1], laws)
    pair = 8 * HELD * laws.largest
    if pair > left:
        raise ValueError(
            f"memory is {memory} bytes, but one pair of points takes {pair} beside the kernels, for the covariances "
            f"of {laws.largest} pairs of positions; allowed: more memory, or smaller images"
        )
    return max(1, int(min(left / pair, max(1.0, CACHED / laws.largest)) ** 0.5))

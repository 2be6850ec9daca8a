"""How much the last digits of numbers decide: what these change, rounding changes, and nothing is wrong."""

from collections.abc import Iterable

import torch
from torch import Tensor

from hpnets.ntk._failures import RefusalError
from hpnets.ntk._functional import Params

# Each number is made larger by up to so many units of rounding.
UNITS = 8
# A disagreement may be this many times a difference that rounding has made.
NOISE = 10.0
# A gradient that is at most so many units of rounding of its cotangents may be nothing but rounding.
FAINT = 1e4


def nearby(params: Params, x: Tensor) -> tuple[Params, Tensor]:
    """The parameters and the samples x, each number larger by a random few units of its last digit.

    None gets smaller: samples that hold whole numbers stay the same when a network cuts off what is behind the point.
    """
    return {name: _larger(p) for name, p in params.items()}, _larger(x)


def _larger(t: Tensor) -> Tensor:
    return t * (1 + UNITS * torch.finfo(t.dtype).eps * torch.rand_like(t))


def is_faint(norm: float, seeds: Tensor) -> bool:
    """Whether the gradient of sum(seeds * f), which has this norm, is so small that it may be nothing but rounding."""
    return 0 < norm <= FAINT * torch.finfo(seeds.dtype).eps * float(seeds.norm())


def rounding_refusal(names: Iterable[str], dtype: torch.dtype) -> RefusalError:
    """The refusal of a kernel whose gradients, by name of the parameter, are nothing but rounding."""
    first, *others = names
    more = f" (and of {len(others)} others)" if others else ""
    wider = "compute in float64, " if dtype == torch.float32 else ""
    return RefusalError(
        f"the gradient of {first}{more} is rounding noise at these samples: the last digits of samples and parameters "
        f"change it by more than the proof allows, and so they would the kernel; {wider}leave such parameters out by "
        "params=, or pass verify='off'"
    )

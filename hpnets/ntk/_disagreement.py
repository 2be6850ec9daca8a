"""How much a parameter's gradient by the factors may differ from plain autograd's, and what is made of a difference."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from hpnets.ntk._condition import NOISE, rounding_refusal
from hpnets.ntk._failures import RefusalError
from hpnets.ntk._functional import Params

# A parameter's gradient may differ from autograd's by this, relative to the gradient or to the terms that it sums.
TOLERANCE = {torch.float32: 3e-4, torch.float64: 1e-9}
# It may also differ by this, relative to the gradient of all parameters: less changes no digit of the kernel.
FLOOR = {torch.float32: 1e-6, torch.float64: 1e-13}
# In badly conditioned networks plain autograd itself differs from batch to batch; rounding is taken to be the cause up
# to this relative difference, by the dtype that the network works in.
ROUNDING = {torch.float32: 3e-2, torch.float64: 1e-7}


def check_condition(names: list[str], errors: dict[str, float], noise: dict[str, float], dtype: torch.dtype) -> None:
    """Raise RefusalError if the gradients of all these names are off by what rounding changes, `noise`."""
    if all(errors[name] <= NOISE * noise.get(name, 0.0) for name in names):
        raise rounding_refusal(names, dtype)


def without_noise(
    names: list[str], errors: dict[str, float], most: float, noise: Callable[[], dict[str, float]]
) -> list[str]:
    """The names without those whose gradients are off by at most what rounding changes, and by at most `most`.

    A gradient that is 0 but for rounding has no right digits, and the kernel has its own from the other parameters.
    """
    if all(errors[name] > most for name in names):
        return names
    changed = noise()
    return [name for name in names if not errors[name] <= min(most, NOISE * changed.get(name, 0.0))]


def finite_norms(gradients: dict[str, Tensor | None]) -> dict[str, float]:
    """The norm of each gradient; RefusalError if one holds NaN or Inf, since nothing can be proven of it."""
    present = {name: g for name, g in gradients.items() if g is not None}
    norms = _norms(present.items())
    for name, norm in norms.items():
        if not math.isfinite(norm) and not torch.isfinite(present[name]).all():
            raise RefusalError(f"the gradient of {name} holds NaN or Inf: so would the kernel")
    return norms


def _norms(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, float]:
    """The norm of each named tensor, which is freed after it; an accelerator is waited for once."""
    norms = {name: torch.linalg.vector_norm(t) for name, t in tensors}
    return dict(zip(norms, torch.stack([*norms.values()]).tolist(), strict=True)) if norms else {}


def disagreeing(
    pulled: Params, truth: dict[str, Tensor | None], errors: dict[str, float], sizes: dict[str, float]
) -> list[str]:
    """Those of the names in `sizes` whose errors exceed TOLERANCE, relative to their size."""
    present = pulled | {name: g for name, g in truth.items() if g is not None}
    return [
        name for name in sizes if name in errors and not errors[name] <= TOLERANCE[present[name].dtype] * sizes[name]
    ]


def errors_of(pulled: Params, truth: dict[str, Tensor | None], names: Iterable[str]) -> dict[str, float]:
    """The norm of pulled - truth for each of the names that has either."""
    pairs = ((name, _difference(pulled.get(name), truth[name])) for name in names)
    return _norms((name, d) for name, d in pairs if d is not None)


def with_floor(truth: dict[str, Tensor | None], norms: dict[str, float]) -> dict[str, float]:
    """The norm of each gradient, or if that is less the one of which TOLERANCE is FLOOR beside that of all."""
    dtype = next((g.dtype for g in truth.values() if g is not None), torch.float64)
    floor = FLOOR[dtype] / TOLERANCE[dtype] * math.hypot(*norms.values())
    return {name: max(norms.get(name, 0.0), floor) for name in truth}


def beyond(pulled: Params, truth: dict[str, Tensor | None], names: Iterable[str]) -> list[str]:
    """Those of the names whose gradients differ by more than TOLERANCE, and FLOOR beside that of all parameters."""
    sizes = with_floor(truth, finite_norms(truth))
    return disagreeing(pulled, truth, errors_of(pulled, truth, names), {name: sizes[name] for name in names})


def _difference(pulled: Tensor | None, truth: Tensor | None) -> Tensor | None:
    """pulled - truth, where None is 0; Inf if their sizes differ, None if both are None."""
    if pulled is None or truth is None:
        return truth if pulled is None else pulled
    return pulled - truth.flatten() if pulled.numel() == truth.numel() else truth.new_tensor(torch.inf)


def is_rounding(
    pulled: Tensor | None, truth: Tensor | None, again: Tensor | None, dtype: torch.dtype, floor: float
) -> bool:
    """Whether `pulled` is about as near to the truth as `again`, the truth of other batches, or as `dtype` resolves.

    floor: the difference that is nothing beside the gradient of all parameters in `dtype`, in which the net works: a
    float64 net whose softmax is taken in float32 has rounding noise for the gradient of attention's bias of keys.
    """
    if pulled is None or truth is None or again is None or pulled.numel() != truth.numel():
        return False
    error, noise, size = (float(t.norm()) for t in (pulled - truth.flatten(), again - truth, truth))
    return error <= max(TOLERANCE[dtype] * size, min(NOISE * noise, ROUNDING[dtype] * size), floor)

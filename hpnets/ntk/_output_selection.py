"""The output selection of a kernel: cotangents V (O, C), and whether the trace over outputs is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor

Outputs = Literal["full", "trace", "sum"] | int | tuple[int, ...] | list[int] | Tensor


@dataclass(frozen=True)
class OutputSelection:
    """The kernel is that of V^T f: (N1, N2, C, C), or with `trace` the sum over its diagonal c = c', (N1, N2).

    cotangents: V (O, C). identity: whether V is the identity. scalar: whether one output was asked for by name, so
    that the kernel is returned as (N1, N2).
    """

    cotangents: Tensor
    trace: bool = False
    identity: bool = False
    scalar: bool = False

    @property
    def columns(self) -> int:
        """C, the number of selected outputs."""
        return self.cotangents.shape[1]

    @property
    def flat(self) -> bool:
        """Whether the kernel has no output axes while it is computed: it is a trace, or C is 1."""
        return self.trace or self.columns == 1

    def read(self, y: Tensor) -> Tensor:
        """V^T f for outputs y (..., O): (..., C)."""
        return y if self.identity else y @ self.cotangents

    def seeds(self, u: Tensor) -> Tensor:
        """V u for u (n, C): (n, O), whose product with f is that of u with V^T f."""
        return u if self.identity else u @ self.cotangents.T

    def shaped(self, kernel: Tensor) -> Tensor:
        """The kernel in the shape for the caller, a view of (N1, N2) if `flat` else of (C, N1, C, N2)."""
        if not self.flat:
            return kernel.permute(1, 3, 0, 2)
        return kernel if self.trace or self.scalar else kernel[..., None, None]


def select_outputs(outputs: Outputs, width: int, like: Tensor) -> OutputSelection:
    """The selection that `outputs` names for a net of `width` outputs; raises ValueError for any other value."""
    eye = torch.eye(width, dtype=like.dtype, device=like.device)
    if isinstance(outputs, Tensor) and not _is_index(outputs):
        return OutputSelection(_checked_cotangents(outputs, width, like))
    if isinstance(outputs, str) and outputs in ("full", "trace"):
        return OutputSelection(eye, trace=outputs == "trace", identity=True)
    if isinstance(outputs, str) and outputs == "sum":
        return OutputSelection(eye.sum(1, keepdim=True), scalar=True)
    if _is_index(outputs):
        return OutputSelection(eye[:, _checked([outputs], width)], scalar=True)
    if isinstance(outputs, tuple | list) and outputs and all(map(_is_index, outputs)):
        return OutputSelection(eye[:, _checked(outputs, width)])
    shown = " ".join(repr(outputs).split())[:60]
    raise ValueError(
        f"outputs is {shown}; allowed: 'full', 'trace', 'sum', the index of a logit, a tuple or list of "
        f"them, or a tensor of cotangents ({width}, C)"
    )


def _is_index(value: object) -> bool:
    """Whether `value` is an integer of Python, of numpy or in a tensor without axes, and not a bool."""
    if isinstance(value, Tensor):
        return value.ndim == 0 and not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    return isinstance(value, Integral) and not isinstance(value, bool)


def _checked_cotangents(v: Tensor, width: int, like: Tensor) -> Tensor:
    if v.ndim != 2 or v.shape[0] != width or v.shape[1] < 1 or v.dtype != like.dtype or not torch.isfinite(v).all():
        raise ValueError(
            f"outputs is {v.dtype}, {tuple(v.shape)}; allowed: cotangents ({width}, C) of {like.dtype}, all finite"
        )
    return v.detach().to(like.device)


def _checked(outputs: Sequence[Any], width: int) -> list[int]:
    logits = [int(o) for o in outputs]
    wrong = [o for o in logits if not 0 <= o < width]
    if wrong:
        raise ValueError(f"outputs names {wrong[0]}; allowed: logits 0 to {width - 1}")
    return logits


def trace_kernel(kernel: Tensor) -> Tensor:
    """K (N, N) as it is; K (N, N, O, O) reduced to (N, N) by the sum over o of K[..., o, o]."""
    return kernel.diagonal(dim1=-2, dim2=-1).sum(-1) if kernel.ndim == 4 else kernel

"""Which outputs a kernel is of: cotangents V (O, C), and whether their trace is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor

Outputs = Literal["full", "trace", "sum"] | int | tuple[int, ...] | list[int] | Tensor


@dataclass(frozen=True)
class OutputSelection:
    """The kernel of V^T f: (N1, N2, C, C), or with `trace` its sum over the diagonal of the last axes, (N1, N2).

    cotangents: V (O, C). identity: V is the identity. scalar: C = 1 was asked for by name, so (N1, N2) is returned.
    """

    cotangents: Tensor
    trace: bool = False
    identity: bool = False
    scalar: bool = False

    @property
    def columns(self) -> int:
        """C."""
        return self.cotangents.shape[1]

    @property
    def flat(self) -> bool:
        """Whether the kernel has no output axes while it is computed: a trace, which for C = 1 is the whole."""
        return self.trace or self.columns == 1

    def read(self, y: Tensor) -> Tensor:
        """V^T f for outputs y (..., O): (..., C)."""
        return y if self.identity else y @ self.cotangents

    def shaped(self, kernel: Tensor) -> Tensor:
        """The kernel as the caller wants it, from (N1, N2) if `flat` else (C, N1, C, N2): a view."""
        if not self.flat:
            return kernel.permute(1, 3, 0, 2)
        return kernel if self.trace or self.scalar else kernel[..., None, None]


def select_outputs(outputs: Outputs, width: int, like: Tensor) -> OutputSelection:
    """The selection that `outputs` names, for a net of `width` outputs; raises ValueError with what is allowed."""
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
    """Whether `value` is an integer, of Python, numpy or a tensor without axes, and no truth value."""
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

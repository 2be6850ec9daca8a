"""Which outputs a kernel is of: cotangents V (O, C), and whether their trace is taken."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Outputs = Literal["full", "trace", "sum"] | int | tuple[int, ...] | Tensor


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
    """The mode that `outputs` names, for a net of `width` outputs; raises ValueError with what is allowed."""
    eye = torch.eye(width, dtype=like.dtype, device=like.device)
    if isinstance(outputs, Tensor):
        if outputs.ndim != 2 or outputs.shape[0] != width or outputs.shape[1] < 1 or outputs.dtype != like.dtype:
            raise ValueError(
                f"outputs is {outputs.dtype}, {tuple(outputs.shape)}; allowed: cotangents ({width}, C) of {like.dtype}"
            )
        return OutputSelection(outputs.detach().to(like.device))
    if isinstance(outputs, str) and outputs in ("full", "trace"):
        return OutputSelection(eye, trace=outputs == "trace", identity=True)
    if isinstance(outputs, str) and outputs == "sum":
        return OutputSelection(eye.sum(1, keepdim=True), scalar=True)
    if _is_index(outputs):
        return OutputSelection(eye[:, _checked([outputs], width)], scalar=True)  # type: ignore[list-item]
    if isinstance(outputs, tuple) and outputs and all(map(_is_index, outputs)):
        return OutputSelection(eye[:, _checked(list(outputs), width)])
    raise ValueError(
        f"outputs is {outputs!r}; allowed: 'full', 'trace', 'sum', the index of a logit, a tuple of them, or a matrix "
        f"of cotangents ({width}, C)"
    )


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked(logits: list[int], width: int) -> list[int]:
    wrong = [o for o in logits if not 0 <= o < width]
    if wrong:
        raise ValueError(f"outputs names {wrong[0]}; the net has logits 0 to {width - 1}")
    return logits


def trace_kernel(kernel: Tensor) -> Tensor:
    """K (N, N) as it is; K (N, N, O, O) reduced to (N, N) by the sum over o of K[..., o, o]."""
    return kernel.diagonal(dim1=-2, dim2=-1).sum(-1) if kernel.ndim == 4 else kernel

"""What an attack ascends, of each sample, and what counts as misclassified."""

import torch
from torch import Tensor
from torch.nn import functional as F

from hpnets.options.attack import LOSSES
from hpnets.validate import one_of, require, require_shape


def losses(name: str, outputs: Tensor, y: Tensor) -> Tensor:
    """The losses (N,) of logits (N, C) and labels y (N,): "cross_entropy", or "margin", max_{c != y} f_c - f_y.

    A single output (N, 1) is half of the difference of two logits, -f and f, as of a kernel machine with targets +-1.
    Raises ValueError for another name, and for labels that are none.
    """
    one_of("loss", name, LOSSES)
    _check_labels(outputs, y)
    logits = as_logits(outputs)
    if name == "cross_entropy":
        return F.cross_entropy(logits, y, reduction="none")
    own = F.one_hot(y, logits.shape[1]).bool()
    return logits.masked_fill(own, -torch.inf).amax(1) - logits[own]


def is_wrong(outputs: Tensor, y: Tensor) -> Tensor:
    """Which samples (N,) are misclassified: the first largest logit is not the label's, or some logit is not finite."""
    logits = as_logits(outputs)
    return (logits.argmax(1) != y) | ~logits.isfinite().all(1)


def as_logits(outputs: Tensor) -> Tensor:
    """Logits (N, C), C >= 2, of outputs (N, C) or (N, 1)."""
    return torch.cat([-outputs, outputs], 1) if outputs.shape[1] == 1 else outputs


def _check_labels(outputs: Tensor, y: Tensor) -> None:
    """Raise ValueError unless y are labels (N,) int64 of the classes of the outputs (N, C)."""
    fits = outputs.ndim == 2 and len(outputs) == len(y)
    require_shape(fits, "f(x)", outputs, f"({len(y)}, classes), logits of each sample")
    fits = y.ndim == 1 and y.dtype == torch.int64
    require(fits, "y", f"{y.dtype} of shape {tuple(y.shape)}", "labels (N,) of int64")
    classes = max(2, outputs.shape[1])
    if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(f"y holds the labels {int(y.min())} to {int(y.max())}; allowed: 0 to {classes - 1}")

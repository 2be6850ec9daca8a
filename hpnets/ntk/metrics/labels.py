"""How well a kernel (N, N) agrees with the targets; of a kernel (N, N, O, O) the trace over outputs is taken."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hpnets.ntk._output_selection import trace_kernel
from hpnets.ntk.metrics.measurement import Measurement, register_metric


@register_metric("alignment", lambda m: (m.k_t, m.y), possible=lambda targets: targets is not None)
def centred_alignment(kernel: Tensor, targets: Tensor) -> float:
    r"""<HKH, HYY^TH>_F / (|HKH| |HYY^TH|), H = I - 11^T/N, in [-1, 1] (Cortes et al. 2012).

    targets: Y (N, O). 0 where a centred matrix vanishes. Raises ValueError if Y has another length.
    """
    k = trace_kernel(kernel).double()
    if targets.ndim != 2 or len(targets) != len(k):
        raise ValueError(f"targets has shape {tuple(targets.shape)}; allowed: ({len(k)}, O)")
    y = targets.double()
    y = y - y.mean(0)
    k = _centre(k)
    # <K, YY^T> = <KY, Y> and |YY^T| = |Y^TY|.
    scale = vector_norm(k) * vector_norm(y.T @ y)
    return float(((k @ y) * y).sum() / scale) if scale > 0 else 0.0


def two_classes(targets: Tensor | None) -> bool:
    """Whether targets (N, O) are one-hot, of two classes or more and not of one sample each."""
    if targets is None:
        return False
    labels = targets.argmax(1)
    one_hot = torch.equal(targets, torch.eye(targets.shape[1]).to(targets)[labels])
    return one_hot and 1 < len(labels.unique()) < len(labels)


@dataclass(frozen=True)
class Elasticity:
    """The means over pairs of one class and over pairs of two classes; ratio: same / (same + different)."""

    same: float
    different: float

    @property
    def ratio(self) -> float:
        """1/2 where classes do not matter; 1 where different is 0; beyond 1 where it is below 0; nan for 0 / 0."""
        total = self.same + self.different
        return self.same / total if total else math.nan


def _labels(m: Measurement) -> tuple[Tensor, Tensor]:
    return m.k_t, m.y.argmax(1)


# The lowest decorator registers first.
@register_metric("local_elasticity_different", _labels, lambda e: e.different, two_classes, by_default=False)
@register_metric("local_elasticity_same", _labels, lambda e: e.same, two_classes, by_default=False)
@register_metric("local_elasticity", _labels, lambda e: e.ratio, two_classes)
def elasticity(kernel: Tensor, labels: Tensor) -> Elasticity:
    r"""The means s, d of K_ij / sqrt(K_ii K_jj) over pairs i != j of one class, of two classes; its ratio s / (s + d).

    labels: integers (N,). Raises ValueError if they are not, or there is no pair of one kind.
    Source: Chen, He and Su 2020 (arXiv 2010.11775), section 2.
    """
    k = trace_kernel(kernel).double()
    scale = k.diagonal().sqrt()
    return elasticity_of(k / (scale[:, None] * scale), labels)


def local_elasticity(kernel: Tensor, labels: Tensor) -> float:
    r"""s / (s + d): s, d the means over pairs i != j of one class, of two classes, of K_ij / sqrt(K_ii K_jj).

    1/2 for a kernel that ignores the classes, 1 where d = 0. 1 is no upper end: where d < 0, that is where a step at a
    sample moves the other class the other way, the ratio exceeds 1, and has a pole at s + d = 0; `elasticity` gives s
    and d themselves, which are bounded. labels: integers (N,). Raises ValueError if they are not, or there is no pair
    of one kind. Source: Chen, He and Su 2020 (arXiv 2010.11775), section 2.
    """
    return elasticity(kernel, labels).ratio


def elasticity_of(similarity: Tensor, labels: Tensor) -> Elasticity:
    """The means of a matrix (N, N) over pairs i != j of one class, and of two classes."""
    n = len(similarity)
    if labels.shape != (n,) or labels.is_floating_point():
        raise ValueError(f"labels is {labels.dtype} of shape {tuple(labels.shape)}; allowed: integers ({n},)")
    same = labels[:, None] == labels
    pairs = int(same.sum())
    if not n < pairs < n * n:
        raise ValueError("labels holds no pair of one class, or none of two; allowed: two classes, one of them twice")
    own = torch.where(same, similarity, 0).fill_diagonal_(0).sum() / (pairs - n)
    return Elasticity(float(own), float(torch.where(same, 0, similarity).sum() / (n * n - pairs)))


def _centre(k: Tensor) -> Tensor:
    return k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean()

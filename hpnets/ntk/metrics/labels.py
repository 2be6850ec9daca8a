"""How well a kernel (N, N) agrees with the targets; of a kernel (N, N, O, O) the trace over outputs is taken."""

import torch
from torch import Tensor

from hpnets.ntk._output_selection import trace_kernel
from hpnets.ntk.metrics.measurement import register_metric


@register_metric("alignment", lambda m: (m.k_t, m.y), possible=lambda targets: targets is not None)
def centred_alignment(kernel: Tensor, targets: Tensor) -> float:
    r"""<HKH, HYY^TH>_F / (|HKH| |HYY^TH|), H = I - 11^T/N, in [-1, 1] (Cortes et al. 2012).

    targets: Y (N, O). 0 where a centred matrix vanishes. Raises ValueError if Y has another length.
    """
    k = trace_kernel(kernel).double()
    if targets.ndim != 2 or len(targets) != len(k):
        raise ValueError(f"targets has shape {tuple(targets.shape)}; allowed: ({len(k)}, O)")
    y = targets.double()
    k_c, y_c = _centre(k), _centre(y @ y.T)
    scale = k_c.norm() * y_c.norm()
    return float((k_c * y_c).sum() / scale) if scale > 0 else 0.0


def two_classes(targets: Tensor | None) -> bool:
    """Whether targets (N, O) are one-hot, of two classes or more and not of one sample each."""
    if targets is None:
        return False
    labels = targets.argmax(1)
    one_hot = torch.equal(targets, torch.eye(targets.shape[1]).to(targets)[labels])
    return one_hot and 1 < len(labels.unique()) < len(labels)


@register_metric("local_elasticity", lambda m: (m.k_t, m.y.argmax(1)), possible=two_classes)
def local_elasticity(kernel: Tensor, labels: Tensor) -> float:
    r"""s / (s + d): s, d the means over pairs i != j of one class, of two classes, of K_ij / sqrt(K_ii K_jj).

    1/2 for a kernel that ignores the classes, 1 for one that keeps them apart. labels: integers (N,). Raises ValueError
    if they are not, or there is no pair of one kind. Source: Chen, He and Su 2020 (arXiv 2010.11775), section 2.
    """
    k = trace_kernel(kernel).double()
    if labels.shape != k.shape[:1] or labels.is_floating_point():
        raise ValueError(f"labels is {labels.dtype} of shape {tuple(labels.shape)}; allowed: integers ({len(k)},)")
    same = labels[:, None] == labels
    pair = ~torch.eye(len(k), dtype=torch.bool, device=labels.device)
    if not (same & pair).any() or same.all():
        raise ValueError("labels holds no pair of one class, or none of two; allowed: two classes, one of them twice")
    scale = k.diagonal().sqrt()
    k = k / (scale[:, None] * scale)
    s, d = k[same & pair].mean(), k[~same].mean()
    return float(s / (s + d))


def _centre(k: Tensor) -> Tensor:
    return k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean()

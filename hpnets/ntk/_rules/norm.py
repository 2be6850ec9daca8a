"""Norm layers with affine parameters: y = w * xhat + b, xhat the normalised input. BatchNorm only in eval mode."""

import math
from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, Rule, register_rule


class AffineRule(Rule):
    """dw = sum over the axes that share w of g * xhat, db = sum of g; w lies on axis 1 (channels) unless overridden."""

    @abstractmethod
    def prepare(self, module: Module, A: Tensor) -> Tensor:
        """xhat, of A's shape."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 2

    def per_parameter(self, module: Module, g: Tensor) -> Tensor:
        """Sum g (C, rows, ...) over the axes that share a parameter: (C, rows, numel)."""
        return g.flatten(3).sum(3) if g.ndim > 3 else g

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {"weight": self.per_parameter(module, g * P), "bias": self.per_parameter(module, g)}


@register_rule(nn.GroupNorm)
class GroupNormRule(AffineRule):
    """One weight a channel."""

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.group_norm(A, module.num_groups, eps=module.eps)


@register_rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
class BatchNormRule(AffineRule):
    """One weight a channel; eval mode, so that xhat takes its statistics from the buffers."""

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.batch_norm(A, module.running_mean, module.running_var, eps=module.eps)


@register_rule(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
class InstanceNormRule(AffineRule):
    """One weight a channel; statistics of the sample, or of the buffers where they are tracked."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 3

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        own = not module.track_running_stats
        mean, var = (None, None) if own else (module.running_mean, module.running_var)
        return F.instance_norm(A, mean, var, use_input_stats=own, eps=module.eps)


class _LastAxes(AffineRule):
    """One weight for each entry of `normalized_shape`, the last axes."""

    def applies(self, module: Module, A: Tensor) -> bool:
        shape: tuple[int, ...] = module.normalized_shape
        return A.is_floating_point() and A.ndim > len(shape) and A.shape[A.ndim - len(shape) :] == shape

    def per_parameter(self, module: Module, g: Tensor) -> Tensor:
        return g.reshape(*g.shape[:2], -1, math.prod(module.normalized_shape)).sum(2)


@register_rule(nn.LayerNorm)
class LayerNormRule(_LastAxes):
    """xhat = (A - mean) / sqrt(var + eps) over the last axes."""

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.layer_norm(A, module.normalized_shape, eps=module.eps)


@register_rule(nn.RMSNorm)
class RMSNormRule(_LastAxes):
    """xhat = A / sqrt(mean A^2 + eps) over the last axes."""

    parameters = ("weight",)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.rms_norm(A, module.normalized_shape, eps=module.eps)

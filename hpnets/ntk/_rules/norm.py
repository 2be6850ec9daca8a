"""Rules of norm layers, y = w * xhat + b with xhat the normalised input; BatchNorm is in eval mode."""

import math
from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, Rule, register_rule


class AffineRule(Rule):
    """dw and db are the sums of g * xhat and of g over the axes that share w, which lies on axis 1 (channels)."""

    @abstractmethod
    def prepare(self, module: Module, A: Tensor) -> Tensor:
        """xhat, which has A's shape."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 2

    def per_parameter(self, module: Module, g: Tensor) -> Tensor:
        """(C, rows, numel) from g (C, rows, ...), summed over the axes that share a parameter."""
        return g.flatten(3).sum(3) if g.ndim > 3 else g

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {"weight": self.per_parameter(module, g * P), "bias": self.per_parameter(module, g)}


@register_rule(nn.GroupNorm)
class GroupNormRule(AffineRule):
    """xhat is normalised by the statistics of a sample's group of channels; there is one weight a channel."""

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.group_norm(A, module.num_groups, eps=module.eps)


@register_rule(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
class BatchNormRule(AffineRule):
    """xhat takes its statistics from the buffers, as in eval mode; there is one weight a channel."""

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return F.batch_norm(A, module.running_mean, module.running_var, eps=module.eps)


@register_rule(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
class InstanceNormRule(AffineRule):
    """xhat takes the sample's statistics, or the buffers' where they are tracked; there is one weight a channel."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return A.is_floating_point() and A.ndim >= 3

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        own = not module.track_running_stats
        mean, var = (None, None) if own else (module.running_mean, module.running_var)
        return F.instance_norm(A, mean, var, use_input_stats=own, eps=module.eps)


class _LastAxes(AffineRule):
    """w has one entry for each of `normalized_shape`, the last axes."""

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

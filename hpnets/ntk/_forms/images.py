"""Convolutions and pooling in the graph with channels last in memory, where a CPU runs them twice as fast.

torch's own backward pass over all outputs takes them in the other layout, which it copies to and from each time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._forms.once import differentiated_once
from hpnets.ntk._forms.share import needs_share
from hpnets.ntk._functional import Params

_Pair = tuple[int, int]


class _Geometry(NamedTuple):
    stride: _Pair
    padding: _Pair
    dilation: _Pair
    groups: int

    def outputs(self, axis: int, inputs: int, kernel: int) -> int:
        """The number of outputs along a spatial axis."""
        return (inputs + 2 * self.padding[axis] - self.dilation[axis] * (kernel - 1) - 1) // self.stride[axis] + 1

    def unread(self, axis: int, inputs: int, kernel: int) -> int:
        """How many of the last inputs no output reads."""
        read = (self.outputs(axis, inputs, kernel) - 1) * self.stride[axis] + self.dilation[axis] * (kernel - 1) + 1
        return inputs + 2 * self.padding[axis] - read


def is_quicker(x: Tensor) -> bool:
    """Whether channels last is the quicker layout for images or kernels x: in single precision on a CPU, by oneDNN."""
    return x.ndim == 4 and x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()


def laid_out(net: nn.Module, params: Params) -> Params:
    """The parameters with channels last in the convolutions' weights for which it is quicker; `params` if in none.

    They are copied once, since a copy for each convolution, freed after it, would leave holes in memory.
    """
    own = {id(module._parameters.get("weight")) for module in net.modules() if isinstance(module, nn.Conv2d)}
    if not own:
        return params
    weights = {
        name for name, p in net.named_parameters() if id(p) in own and name in params and is_quicker(params[name])
    }
    return {name: channels_last(p) if name in weights else p for name, p in params.items()} if weights else params


def channels_last(t: Tensor) -> Tensor:
    """Images (n, c, h, w), or kernels, with c last in memory.

    torch leaves the strides of 1 x 1 kernels as they are, by which it takes them for the other layout.
    """
    if t.shape[2:] == (1, 1):
        return t.contiguous().as_strided(t.shape, (t.shape[1], 1, t.shape[1], t.shape[1]))
    return t.contiguous(memory_format=torch.channels_last)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    to_leaves: bool = True,
) -> Tensor | None:
    """F.conv2d of these arguments, with channels last; None for a padding that is given by name.

    to_leaves: whether the gradients of leaves will be taken.
    """
    if isinstance(padding, str):
        return None
    geometry = _Geometry(_pair(stride), _pair(padding), _pair(dilation), groups)
    share = None
    if needs_share(input, (weight, bias), to_leaves):
        share = _Share.apply(input.detach(), weight, bias, geometry)
    return _Convolution.apply(input, share, partial(_convolved, bias=bias), weight.detach(), geometry)


def _convolved(x: Tensor, weight: Tensor, geometry: _Geometry, bias: Tensor | None) -> Tensor:
    return torch.conv2d(x, channels_last(weight), bias, *geometry)


def mean_pool(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor | None:
    """F.avg_pool2d of these arguments, with channels last; None if it does not divide all sums by the kernel's size."""
    if divisor_override is not None or not (count_include_pad or _pair(padding) == (0, 0)):
        return None
    kernel, channels = _pair(kernel_size), input.shape[1]
    geometry = _Geometry(_pair(stride or kernel), _pair(padding), (1, 1), channels)
    if ceil_mode and any(geometry.unread(i, input.shape[2 + i], kernel[i]) for i in range(2)):
        return None
    weight = input.new_full((1, 1, 1, 1), 1 / (kernel[0] * kernel[1])).expand(channels, 1, *kernel)
    return _Convolution.apply(input, None, partial(_averaged, kernel=kernel), weight, geometry)


def _averaged(x: Tensor, weight: Tensor, geometry: _Geometry, kernel: _Pair) -> Tensor:
    return F.avg_pool2d(x, kernel, geometry.stride, geometry.padding)


def _pair(value: int | tuple[int, ...]) -> _Pair:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values[0], values[-1]


class _Convolution(torch.autograd.Function):
    """values(x, weight, geometry), in the graph of conv2d(x, weight) + share.

    `share` has the gradients of weight and bias, since autograd asks a Python function for all its gradients but leaves
    out a function of which it needs none.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        share: Tensor | None,
        values: Callable[[Tensor, Tensor, _Geometry], Tensor],
        weight: Tensor,
        geometry: _Geometry,
    ) -> Tensor:
        ctx.weight, ctx.geometry, ctx.space = weight, geometry, x.shape[2:]
        return values(x, weight, geometry)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,) = gradients
        to_x, to_share, *_ = ctx.needs_input_grad
        return (
            _transposed(g, ctx.weight, ctx.geometry, ctx.space) if to_x else None,
            g if to_share else None,
            *[None] * 3,
        )


def _transposed(g: Tensor, weight: Tensor, geometry: _Geometry, space: torch.Size) -> Tensor:
    """The gradient at the inputs, which have the spatial axes `space`."""
    unread = [geometry.unread(i, space[i], weight.shape[2 + i]) for i in range(2)]
    stride, padding, dilation, groups = geometry
    return F.conv_transpose2d(g, channels_last(weight), None, stride, padding, unread, groups, dilation)


class _Share(torch.autograd.Function):
    """What weight and bias give to a convolution; its values are left out, so that it takes no memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        space = [geometry.outputs(i, x.shape[2 + i], weight.shape[2 + i]) for i in range(2)]
        return x.new_zeros(()).expand(len(x), len(weight), *space)

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,), (x, weight) = gradients, ctx.saved_tensors
        stride, padding, dilation, groups = ctx.geometry
        _, to_weight, to_bias, _ = ctx.needs_input_grad
        conf = ([len(weight)], stride, padding, dilation, False, [0, 0], groups, [False, to_weight, to_bias])
        return None, *torch.ops.aten.convolution_backward(g, x, weight, *conf)[1:], None


def max_pool(
    input: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...] | None = None,
    padding: int | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    """F.max_pool2d of these arguments, with channels last; None if indices are asked for."""
    if return_indices:
        return None
    pool = partial(F.max_pool2d, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
    return _Chosen.apply(input, partial(pool, ceil_mode=ceil_mode, return_indices=True))


class _Chosen(torch.autograd.Function):
    """y (n, c, h', w'), which are the inputs x (n, c, h, w) at the places `at` in h w: (y, at) = values(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        y, at = values(x)
        ctx.save_for_backward(at)
        ctx.space = x.shape[2:]
        return y

    @staticmethod
    @differentiated_once
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        g, at = (t.permute(0, 2, 3, 1).flatten(1, 2) for t in (*gradients, *ctx.saved_tensors))
        n, _, c = g.shape
        summed = g.new_zeros(n, ctx.space.numel(), c).scatter_add(1, at, g)
        return summed.unflatten(1, ctx.space).permute(0, 3, 1, 2), None

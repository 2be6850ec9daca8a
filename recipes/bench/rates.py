"""The rates of a machine for the cost model: calls in the shapes of kernels, with the amount of work in each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vmap

Call = Callable[[], object]
# Makes a call for a dtype and a size (1, or less for a trial run), and gives its FLOPs, bytes or autograd nodes.
Make = Callable[[torch.dtype, float], tuple[Call, float]]
NODES = 300


@dataclass(frozen=True)
class Rate:
    """A constant of the machine; `unit` is "FLOP/s" or "B/s" for amount over seconds, "s" for seconds over amount."""

    name: str
    about: str
    unit: str
    make: Make


def square_product(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    n = int(2048 * size)
    a, b = torch.randn(2, n, n, dtype=dtype)
    return lambda: a @ b, 2.0 * n**3


def gram_product(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    rows, width = 120, int(400_000 * size)
    j = torch.randn(rows, width, dtype=dtype)
    return lambda: j @ j.T, 2.0 * rows * rows * width


def batched_product(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    batch, positions, inputs, units = int(960 * size), 64, 64, 64
    g, a = torch.randn(batch, units, positions, dtype=dtype), torch.randn(batch, positions, inputs, dtype=dtype)
    return lambda: g @ a, 2.0 * batch * positions * inputs * units


def convolution(inputs: int, units: int, side: int, groups: int = 1, backward: bool = True) -> Make:
    """A padded 3x3 convolution of 64 images; its backward pass gives the gradients of input and weight."""

    def make(dtype: torch.dtype, size: float) -> tuple[Call, float]:
        images = int(64 * size)
        x = torch.randn(images, inputs, side, side, dtype=dtype, requires_grad=backward)
        weight = torch.randn(units, inputs // groups, 3, 3, dtype=dtype, requires_grad=backward)
        flops = 2.0 * images * side * side * 9 * inputs * units / groups
        y = F.conv2d(x, weight, padding=1, groups=groups)
        if not backward:
            return lambda: F.conv2d(x, weight, padding=1, groups=groups), flops
        g = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, (x, weight), g, retain_graph=True), 2 * flops

    return make


def numbers(dtype: torch.dtype, size: float) -> Tensor:
    """64 MiB of random numbers, several times what the caches hold."""
    return torch.randn(int(2**26 * size) // dtype.itemsize, dtype=dtype)


def copy(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    source = numbers(dtype, size)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2.0 * source.numel() * dtype.itemsize


def multiply_add(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    a, b = numbers(dtype, size), numbers(dtype, size)
    return lambda: a.addcmul_(b, b, value=1e-9), 3.0 * a.numel() * dtype.itemsize


def fresh(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    n = int(2**28 * size) // dtype.itemsize
    return lambda: torch.ones(n, dtype=dtype), float(n * dtype.itemsize)


def chain(x: Tensor) -> Tensor:
    """The sum of x after a chain of elementwise operations, half of them products and half of them tanh."""
    for _ in range(NODES // 2):
        x = torch.tanh(1.01 * x)
    return x.sum()


def eager_nodes(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    x = torch.randn(8, 8, dtype=dtype, requires_grad=True)
    return lambda: torch.autograd.grad(chain(x), x), float(NODES)


def vmapped_nodes(dtype: torch.dtype, size: float) -> tuple[Call, float]:
    x = torch.randn(8, 8, dtype=dtype)
    return lambda: vmap(grad(chain))(x), float(NODES)


FLOPS, BYTES, SECONDS = "FLOP/s", "B/s", "s"
RATES = (
    Rate("gemm_flops", "a product of two square matrices of 2048 rows", FLOPS, square_product),
    Rate("gram_flops", "J J^T of 120 rows and 400,000 columns", FLOPS, gram_product),
    Rate("batched_gemm_flops", "960 products of 64 x 64: weight gradients of each sample", FLOPS, batched_product),
    Rate("conv_flops", "backward pass of a 3x3 convolution, 64 -> 64 channels, 16x16", FLOPS, convolution(64, 64, 16)),
    Rate("conv_forward_flops", "its forward pass", FLOPS, convolution(64, 64, 16, backward=False)),
    Rate("small_conv_flops", "backward pass, 3 -> 32 channels, 32x32", FLOPS, convolution(3, 32, 32)),
    Rate("depthwise_conv_flops", "backward pass, 96 channels and groups, 16x16", FLOPS, convolution(96, 96, 16, 96)),
    Rate("bytes_per_second", "a copy of 64 MiB, read and written", BYTES, copy),
    Rate("elementwise_bytes_per_second", "a += c b b, 64 MiB each, two read and one written", BYTES, multiply_add),
    Rate("fresh_bytes_per_second", "256 MiB of new memory, written for the first time", BYTES, fresh),
    Rate("node_seconds", "an elementwise operation on 64 numbers, forward and backward", SECONDS, eager_nodes),
    Rate("vmap_node_seconds", "the same under vmap of grad", SECONDS, vmapped_nodes),
)

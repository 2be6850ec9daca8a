"""How much of an accelerator's rate in products the kernels of the engine's own networks reach."""

import statistics
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hpnets.ntk import ntk
from recipes.bench.cases import CASES, contraction_flops
from recipes.bench.contenders import seconds
from recipes.checks.accelerator_page import Check

# The least share of the rate; so many times the samples of the benchmark on a CPU, which fill no accelerator.
SHARE, TIMES = 0.3, 8
ROWS, CALLS, MEMORY = 8192, 5, "32GiB"


def rates(device: str) -> Iterator[Check]:
    """The seconds of whole kernels, without the proof, over those of one product with the contraction's FLOPs.

    The passes count among a kernel's seconds and not among its FLOPs, so that the contraction's own rate is higher.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    a = torch.randn(ROWS, ROWS, device=device)
    rate = 2.0 * ROWS**3 / median(lambda: a @ a)
    for name, case in CASES.items():
        torch.manual_seed(0)
        samples = TIMES * case.samples
        net, x = case.build().eval().to(device), torch.randn(samples, *case.shape).to(device)
        took = median(lambda: ntk(net, x, outputs="full", memory=MEMORY, verify="off"))  # noqa: B023
        least = contraction_flops(name, samples, {}) / rate
        note = f"{1000 * took:.3g} ms for N = {samples}; products at {rate / 1e12:.3g} TFLOP/s"
        yield Check(f"{name}: a kernel's time over that of its products", took / least, 1 / SHARE, note)


def median(compute: Callable[[], Tensor]) -> float:
    """The median seconds of a few calls, after one that warms up."""
    return statistics.median([seconds(compute) for _ in range(1 + CALLS)][1:])

"""What the tests of odd modules share: truths from the oracle, output selections, and the least budgets."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from tests.device import DEVICE
from tests.ntk.oracle import dense_jacobian
from tests.odd_modules import FIRST, ODD_MODULES

EXACT = [name for name, module in ODD_MODULES.items() if module.refused is None]
REFUSED = [name for name, module in ODD_MODULES.items() if module.refused is not None]


@cache
def jacobian(name: str) -> Tensor:
    """J (N, O, P) of a module's samples, x1 and others in one batch, float64, made on the CPU."""
    module = ODD_MODULES[name]
    return dense_jacobian(module.net(device="cpu"), module.samples(device="cpu")).to(DEVICE)


@cache
def kernel(name: str, others: bool = False) -> Tensor:
    """K (N1, N2, O, O) of x1, or of x1 and the other rows."""
    j = jacobian(name)
    return torch.einsum("iop,jqp->ijoq", j[:FIRST], j[FIRST:] if others else j[:FIRST])


def inputs(name: str, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """x1 and the other rows."""
    x = ODD_MODULES[name].samples(dtype)
    return x[:FIRST].clone(), x[FIRST:].clone()


def selections(width: int) -> dict[str, object]:
    """Every kind of output selection for a net of `width` outputs, by name."""
    matrix = torch.randn(width, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(DEVICE)
    logits = (width - 1, 0) if width > 1 else (0,)
    return {"full": "full", "trace": "trace", "sum": "sum", "logit": width - 1, "logits": logits, "matrix": matrix}


def with_least_memory(compute: Callable[[int], Tensor], times: float = 1.0) -> Tensor:
    """compute(memory) at the least number of bytes that it accepts, or so many times that."""
    memory = 1
    while True:
        try:
            return compute(int(memory * times))
        except ValueError as error:
            if "memory is" not in str(error):
                raise
            (named,) = re.findall(r"at least (\d+)", str(error))
            memory = max(int(named), memory + 1)


@contextmanager
def refusal_allowed(name: str, algorithm: str) -> Iterator[None]:
    """A ValueError passes where the module says that the algorithm may refuse it so."""
    try:
        yield
    except ValueError as error:
        if not ODD_MODULES[name].refuses(algorithm, error):
            raise

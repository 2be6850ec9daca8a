"""Checks that a network treats each sample apart from others and draws nothing: else it has no per-sample kernel."""

import copy
import re
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hpnets.ntk._checks import check_rows
from hpnets.ntk._condition import NOISE, nearby
from hpnets.ntk._draws import drawn_outcomes
from hpnets.ntk._failures import RefusalError
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._rngs import Rngs

# When other samples stand beside it, rounding changes an output by at most this, relative to the largest output.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
# A net that draws must give the same outputs under this many seeds.
SEEDS = 12
# Fewer rows than this are looked at one by one, each in a batch of its own.
FEW = 6
_DRAWS = re.compile(r"drop|rrelu|stochastic|noise|sample", re.IGNORECASE)


class Batch(NamedTuple):
    """Rows of samples that run in one batch; all but the first `others` of them are looked at."""

    rows: Tensor
    others: int

    def of(self, x: Tensor) -> Tensor:
        """The batch's samples, in the layout of the samples x; index_select is quicker, but does not keep it."""
        return x.index_select(0, self.rows) if x.is_contiguous() else x[self.rows]

    def seeds(self, u: Tensor) -> Tensor:
        """The batch's rows of u (n, O), 0 for those that are not looked at."""
        seeds = u.index_select(0, self.rows)
        if self.others:
            seeds[: self.others] = 0
        return seeds

    def write(self, y: Tensor, f: Tensor) -> None:
        """Write the outputs f of the batch into those of all samples, y (n, O), where they are looked at."""
        rows, f = (self.rows[self.others :], f[self.others :]) if self.others else (self.rows, f)
        y.index_copy_(0, rows, f)


def regrouped(n: int, device: torch.device, most: int | None = None, run: int | None = None) -> list[Batch]:
    """Batches of at most about `most` rows in which each of the rows 0 to n - 1 is looked at once, in other company.

    run: so many rows stood beside each other before, by default `most`. All rows in random order are other company for
    runs of at most half of them. Else each row is looked at without some that stood beside it: a permutation, or a few
    more rows, would not do, since a network that divides by the batch's largest activation may give the same outputs
    then. No batch is of a single row.
    """
    if n < FEW:  # each row beside the next one only, and in fourth place: a network may treat its first rows specially
        rows = torch.arange(n, device=device)
        following = (rows + 1) % n if n > 2 else rows
        return [Batch(four, 3) for four in torch.stack([following, rows, following, rows], 1)]
    if most is None or n <= most:
        if run is not None and 2 * run <= n:
            return [Batch(torch.randperm(n).to(device), 0)]
        return [Batch(rows, 0) for rows in _split_pairs(n, device)]
    # A batch takes every count-th row, so it never holds the rows of one run, as a random choice of few rows may.
    count = min(n // 2, max(2, -(-n // most)))
    strided = (torch.arange(start, n, count, device=device).flip(0) for start in range(count))
    return [Batch(rows, 0) for rows in strided]


def crossed(device: torch.device) -> list[Batch]:
    """Batches in which each of two rows is looked at beside the other one, and in fourth place."""
    return [Batch(torch.tensor([1 - i, i, 1 - i, i], device=device), 3) for i in range(2)]


def _split_pairs(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two halves of the rows; each half has one of 2 i and 2 i + 1, which a loop of plain autograd runs together."""
    first = torch.arange(n // 2 * 2 - 2, -1, -2).add_(torch.randint(2, (n // 2,)))
    second = first ^ 1
    if n % 2:
        second = torch.cat([torch.tensor([n - 1]), second])
    return first.to(device), second.to(device)


def check_same_outputs(net: nn.Module, params: Params, x: Tensor, y: Tensor, other: Tensor, drawn: bool) -> None:
    """Raise RefusalError unless y equals `other`, the outputs at x in other company under another RNG state.

    drawn: whether the RNG moved in the forward pass of y.
    """
    check_rows(y, len(x))
    close = _close(y, other)  # not so where any is NaN or Inf
    if not close and not torch.isfinite(y).all():
        raise RefusalError("net gives outputs that hold NaN or Inf: so would its kernel")
    if drawn or not close:
        _check_determined(net, params, x)
    if close or _close(y, other, working_dtype(net, params, x)):
        return
    if _same_in_float64(net, params, x) if x.dtype == torch.float32 else _is_rounding(net, params, x, y, other):
        return
    raise RefusalError(
        "net gives a sample another output beside others, so it couples samples: call net.eval(), or part what couples "
        "them"
    )


def _close(a: Tensor, b: Tensor, dtype: torch.dtype | None = None) -> bool:
    return float(_greatest(a - b)) <= TOLERANCE[dtype or a.dtype] * float(_greatest(a))


def _is_rounding(net: nn.Module, params: Params, x: Tensor, y: Tensor, other: Tensor) -> bool:
    """Whether the last digits of samples and parameters decide as much: the outputs may cancel to zero.

    Such a network may still have a kernel: one minus a frozen copy of itself does.
    """
    values, samples = nearby(params, x)
    with own_parameters(net, values):
        near = plain_call(net, samples)
    return bool(_greatest(y - other) <= NOISE * _greatest(y - near))


def _greatest(t: Tensor) -> Tensor:
    return torch.linalg.vector_norm(t, torch.inf)


def working_dtype(net: nn.Module, params: Params, x: Tensor) -> torch.dtype:
    """float64 if the network computes in it throughout at x, else float32: some networks cast whatever they get.

    Raises RefusalError if it computes in half precision anywhere: gradients then differ from batch to batch by a
    hundredth and more, and what is wrong cannot be told from what is rounded.
    """
    with own_parameters(net, params), _Dtypes() as dtypes:
        plain_call(net, x)
    half = dtypes.seen & {torch.bfloat16, torch.float16}
    if half:
        raise RefusalError(
            f"net computes in {half.pop()} inside, so that its kernel is rounded too much to be proven: let it compute "
            "in float32 or float64, without an autocast of its own, or pass verify='off'"
        )
    return torch.float64 if dtypes.seen <= {torch.float64} and x.dtype == torch.float64 else torch.float32


class _Dtypes(TorchDispatchMode):
    """Watches operations; `seen` holds the dtypes of the floating-point numbers that they returned."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        self.seen |= {t.dtype for t in tensors if t.is_floating_point()}
        return result


def _check_determined(net: nn.Module, params: Params, x: Tensor) -> None:
    """Raise RefusalError if the same samples have other outputs with other random numbers."""

    def outputs() -> Tensor:
        with own_parameters(net, params):
            return plain_call(net, x)

    outcomes = drawn_outcomes(outputs, Rngs(net.modules(), x.device), SEEDS)
    first = next(outcomes)
    for y in outcomes:
        # On a CPU every bit must agree; on an accelerator the order of a sum, and so its rounding, varies.
        if not (torch.equal(first, y) if x.device.type == "cpu" else _close(first, y)):
            raise RefusalError(f"net draws at random{_where(net)}: call net.eval(), or take the draws out of forward")


def _where(net: nn.Module) -> str:
    """Text for the message that names modules in train mode which are known to draw."""
    names = [
        f"{name or 'net'} ({type(module).__name__})"
        for name, module in net.named_modules()
        if module.training and (_DRAWS.search(type(module).__name__) or _dropout(module) > 0)
    ]
    return f" in {', '.join(names[:3])}" if names else ""


def _dropout(module: nn.Module) -> float:
    """The dropout probability of a recurrent or attention module, 0 for others."""
    value = getattr(module, "dropout", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _same_in_float64(net: nn.Module, params: Params, x: Tensor) -> bool:
    """Whether outputs that differ in float32 agree in float64, so that the difference is rounding."""
    try:
        double = copy.deepcopy(net).double()
        values, x = {name: p.double() for name, p in params.items()}, x.double()
        with own_parameters(double, values):
            y, other = plain_call(double, x), torch.empty_like(plain_call(double, x))
            for rows, others in regrouped(len(x), x.device):
                other[rows[others:]] = plain_call(double, x[rows])[others:]
    except Exception:  # a net that has no copy or no float64 is judged in float32
        return False
    return _close(y, other) or _is_rounding(double, values, x, y, other)

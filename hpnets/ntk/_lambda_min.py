"""The smallest eigenvalue of a kernel K = J J^T, and whether it is one: it may be 0 by counting, or rounding."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from hpnets.linalg import DENSE_ROWS, eigenvalues
from hpnets.ntk._blocks import parts_of
from hpnets.ntk._budget import parse_bytes
from hpnets.ntk._functional import trainable_parameters
from hpnets.ntk._kernel import ntk
from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._singular_values import SingularValues, jacobian_size, singular_values
from hpnets.ntk._wrappers import eager
from hpnets.ntk.metrics.eigen import Extremes, extremes


def lambda_min(
    net: nn.Module,
    x: Tensor,
    *,
    outputs: Outputs,
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
) -> Extremes:
    r"""The smallest eigenvalue of `ntk(net, x, outputs=outputs)`, the largest, and how far to trust the smallest.

    K = J J^T has at most as large a rank as J (rows, columns) has columns, P, or C P for "trace": with more rows the
    smallest eigenvalue is 0 by counting. Else it is s^2, s the least singular value of J, where J takes less than a
    quarter of `memory`, and otherwise the least eigenvalue of the kernel in float64:

        error = (s + e)^2 - s^2,   e = eps(dtype) rows s_max;   error = eps(dtype) rows lambda_max

    One below its error is `noise`. eps is 2e-16 for a net in float64, and 1e-7 for one in float32.

    Raises ValueError as `ntk` does, and for more than 8,192 rows where J does not fit into `memory`.
    """
    rows, columns, bytes_needed = jacobian_size(net, x, outputs, params)
    fits = bytes_needed <= parse_bytes(memory)
    if not fits and rows > DENSE_ROWS:
        raise ValueError(
            f"x gives a kernel of {rows} rows, whose smallest eigenvalue takes a dense decomposition; allowed: at most "
            f"{DENSE_ROWS} rows, or memory of at least {bytes_needed} bytes: take fewer samples, or one output"
        )
    given: dict[str, Any] = {"outputs": outputs, "params": params, "memory": memory}
    if fits:
        made = _of_singular_values(singular_values(net, x, **given))
    else:
        made = extremes(eigenvalues(ntk(net, x, **given)), columns)
    return replace(made, smallest=0.0, error=0.0) if made.singular else made


def _of_singular_values(s: SingularValues) -> Extremes:
    if not s.columns:  # parameters without entries
        return Extremes(0.0, 0.0, True, True, 0.0)
    largest, least, singular = float(s.values[0]) ** 2, float(s.values[-1]), s.rows > s.columns
    error = (least + s.floor) ** 2 - least**2
    return Extremes(largest, least**2, singular, singular or least <= s.floor, error)


def lambda_min_blocks(
    net: nn.Module,
    x: Tensor,
    *,
    outputs: Outputs,
    blocks: Iterable[str] | None = None,
    memory: str | float = "1GiB",
) -> dict[str, Extremes]:
    """`lambda_min` of the share K_b of each block b of parameters.

    K = sum_b K_b, so that lambda_min(K) >= sum_b lambda_min(K_b): one block of full rank suffices. blocks: as for
    `ntk_blocks`, by default the modules that hold parameters. Raises ValueError as these two do.
    """
    parts = parts_of(trainable_parameters(eager(net)), blocks)
    return {block: lambda_min(net, x, outputs=outputs, params=part, memory=memory) for block, part in parts.items()}

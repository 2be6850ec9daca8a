"""The singular values of the Jacobian J of a network at its samples, and the rank of the kernel J J^T."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hpnets.linalg import tiles
from hpnets.ntk._budget import numel, parse_bytes
from hpnets.ntk._checks import check_eval_mode, check_inputs, check_output, check_types
from hpnets.ntk._cost_model import Distrust
from hpnets.ntk._failures import CrashError, DisprovenError
from hpnets.ntk._output_selection import Outputs, select_outputs
from hpnets.ntk._planning import Request, make_plan, parameters_of, plain_tensor
from hpnets.ntk._proof import Prover
from hpnets.ntk._state import undisturbed
from hpnets.ntk._structured import TermWork
from hpnets.ntk._wrappers import eager

# J, what its parts are made in, and two copies in the decomposition.
COPIES = 4


@dataclass(frozen=True)
class SingularValues:
    """The singular values of J (rows, columns), whose squares are the eigenvalues of K = J J^T.

    values: (min(rows, columns),) float64, descending. floor: eps(dtype of J) rows values[0], within which
    each is known; one below it is rounding.
    """

    values: Tensor
    rows: int
    columns: int
    floor: float

    @property
    def rank(self) -> int:
        """The rank of K: how many values lie above the floor."""
        return int((self.values > self.floor).sum())


def singular_values(
    net: nn.Module,
    x: Tensor,
    *,
    outputs: Outputs,
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
) -> SingularValues:
    r"""The singular values of the Jacobian J of `ntk(net, x, outputs=outputs)`, J proven as `ntk` proves its factors.

    J has N C rows and P columns for C outputs and P parameters; for "trace" N rows and C P columns. They resolve
    eigenvalues down to eps^2 lambda_max, where those of a stored kernel end at eps N lambda_max.

    Raises ValueError as `ntk` does, and where J takes more than a quarter of `memory`.
    """
    rows, columns, bytes_needed = jacobian_size(net, x, outputs, params)
    budget = parse_bytes(memory)
    if bytes_needed > budget:
        raise ValueError(
            f"memory is {budget} bytes; allowed: at least {bytes_needed}, which the Jacobian ({rows}, {columns}) takes "
            "with its decomposition: give more, fewer samples, or use lambda_min, which can do with the kernel"
        )
    net = eager(net)
    with undisturbed(net, x.device):
        x = plain_tensor(x)
        J = _proven_jacobian(Request(net, parameters_of(net, params), x, None, outputs, "jacobian", budget))
        # Rows are sample-major, as of the kernel; for a trace the outputs lie side by side.
        values = torch.linalg.svdvals(J.transpose(0, 1).reshape(rows, columns).double())
    largest = float(values[0]) if len(values) else 0.0
    return SingularValues(values, rows, columns, torch.finfo(x.dtype).eps * rows * largest)


def jacobian_size(
    net: nn.Module, x: Tensor, outputs: Outputs, params: dict[str, Tensor] | None
) -> tuple[int, int, int]:
    """The rows and columns of J, and the bytes that it takes with its decomposition; ValueError as `ntk` raises it."""
    check_types(params, x)
    net = eager(net)
    with undisturbed(net, x.device):
        x, theta = plain_tensor(x), parameters_of(net, params)
        check_inputs(net, theta, x, None)
        check_eval_mode(net)
        selection = select_outputs(outputs, check_output(net, theta, x), x)
    n, C, P = len(x), selection.columns, numel(theta)
    rows, columns = (n, C * P) if selection.trace else (n * C, P)
    return rows, columns, COPIES * rows * columns * x.element_size()


def _proven_jacobian(request: Request) -> Tensor:
    """J (C, N, P) by vmap, or by a loop of autograd where that raises or its proof fails."""
    try:
        return _jacobian(request)
    except (DisprovenError, CrashError):
        request = replace(request, algorithm="loop")
    try:
        return _jacobian(request)
    except DisprovenError as error:
        Distrust().widened(error.contractions, request.x1.dtype)  # refuses the network, as `ntk` does
        raise
    except CrashError as error:
        raise error.cause from None


def _jacobian(request: Request) -> Tensor:
    made, net, theta = make_plan(request), request.net, request.theta
    selection = made.problem.selection
    work = TermWork(net, theta, selection, made.terms, made.schedule, Prover(net, theta, selection, made.terms))
    x = request.x1
    parts = [work.factors(x[rows], None, True, (x,)) for rows in tiles(len(x), made.tile)]
    return torch.cat([part.states[0]["J"] for part in parts], dim=1)

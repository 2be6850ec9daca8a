"""`ntk`, the one entry point: it checks the arguments, makes a plan, runs and proves it, and replans if that fails."""

import warnings
from dataclasses import replace

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.ntk._budget import SLACK, parse_bytes
from hpnets.ntk._checks import check_eval_mode, check_finite, check_inputs, check_rows, check_types
from hpnets.ntk._cost_model import Distrust
from hpnets.ntk._failures import CrashError, DisprovenError, RefusalError, UnprovenWarning, crashes_of
from hpnets.ntk._functional import Params, own_parameters, plain_call, single_output_function
from hpnets.ntk._ntkvp import ntkvp_kernel
from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._plan import Plan, StalePlanError
from hpnets.ntk._planning import Request, make_plan, parameters_of, plain_tensor
from hpnets.ntk._problem import Problem
from hpnets.ntk._products import prove_product_kernel, prove_products
from hpnets.ntk._proof import Prover
from hpnets.ntk._remembered import forget, recall, remember, settings_of
from hpnets.ntk._ring import Ring, block_size, gather_rows, together
from hpnets.ntk._state import undisturbed
from hpnets.ntk._structured import TermWork
from hpnets.ntk._tiling import Driver, tiled_kernel
from hpnets.ntk._wrappers import eager

VERIFY = ("always", "first", "off")
# The algorithm that is tried next, where one raises.
NEXT = {"structured": "jacobian", "ntkvp": "jacobian", "jacobian": "loop"}


def ntk(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs | None = None,
    algorithm: str = "auto",
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
    plan: Plan | None = None,
    group: "dist.ProcessGroup | None" = None,
    verify: str = "always",
) -> Tensor:
    r"""The empirical neural tangent kernel K[i, j, o, p] = < df_o(x1_i)/dtheta, df_p(x2_j)/dtheta >.

    Args:
        net: maps (N, *shape) to (N, O); it is in eval mode wherever its mode matters. Its state is left as it was.
        x1: inputs (N1, *shape), float32 or float64, of the parameters' dtype.
        x2: inputs (N2, *shape); None means x1, and only half of the kernel is computed.
        outputs: "full" (N1, N2, O, O); "trace" (N1, N2), the sum over o of K[..., o, o] (not the mean);
            "sum" (N1, N2), the kernel of sum_o f_o; an int o: (N1, N2), the kernel of the logit f_o; a tuple of c
            logits: (N1, N2, c, c); a matrix V (O, C): (N1, N2, C, C), the kernel of V^T f. Required without a plan.
        algorithm: "structured" (from layers' inputs and output gradients), "jacobian" (vmap of jacrev, then a product),
            "loop" (plain autograd, one sample and output after another, then a product), "ntkvp" (jvp after vjp: no
            Jacobian is stored), or "auto": the quickest that fits by the prediction of `plan`, and the next one where
            that one fails.
        params: the parameters to differentiate, their values by name; None means every parameter of `net` with
            requires_grad. Parameters left out are constants.
        memory: bytes, or a text such as "500MiB", that the work may take beside the kernel itself.
        plan: a plan from `hpnets.ntk.plan` for inputs of the same shapes; it also fixes `outputs`, `algorithm` and
            `memory`.
        group: a torch.distributed group whose ranks share the work (`dist.group.WORLD` for all): they hold the same
            net and inputs and call together, and each gets the whole kernel.
        verify: "always" proves on every call, for each sample, that the gradients which the kernel is made of are plain
            autograd's, that outputs depend on nothing but their sample, and an entry of the kernel; "first" proves only
            what the plan has not proven before, and all again where a module's settings have changed (plain attributes,
            buffers of one number, a forward of its own, the number of hooks); "off" trusts the two samples that the
            plan looked at, now or in an earlier call with the same weights.

    A parameter for which the proof fails takes an exact slow path, and an UnprovenWarning names it. A full kernel is a
    view in the order above; in memory outputs and samples alternate as (O, N1, O, N2).

    Raises:
        ValueError: half precision or integer input, x1 and x2 of different shapes, BatchNorm or dropout in train
            mode, samples that are coupled, outputs that are drawn at random or not (N, O), no parameters or unknown
            ones, an unknown output selection or algorithm, a sharded net, NaN in the kernel, a plan for other inputs,
            or a budget that two rows exceed.

    Source: Jacot et al. 2018 (arXiv 1806.07572), eq. 4; jvp after vjp and structured derivatives: Novak et al. 2022
    (arXiv 2206.08720).
    """
    check_types(params, x1, x2)
    net = eager(net)
    if plan is not None and (outputs is not None or algorithm != "auto" or group is not None):
        raise ValueError("plan has outputs and an algorithm of its own, for one process; allowed beside it: params")
    if plan is None and outputs is None:
        raise ValueError("outputs is not given; allowed: 'full', 'trace', 'sum', a logit, a tuple of them, a matrix")
    if verify not in VERIFY:
        raise ValueError(f"verify is {verify!r}; allowed: {', '.join(VERIFY)}")
    with undisturbed(net, x1.device):
        theta = parameters_of(net, params)
        x1, x2 = plain_tensor(x1), None if x2 is None else plain_tensor(x2)
        if plan is not None:
            check_plan(plan, net, theta, x1, x2)
            return check_finite(run_given(plan, Request(net, theta, x1, x2, "full", plan.algorithm, 0, verify)))
        assert outputs is not None
        request = Request(net, theta, x1, x2, outputs, algorithm, parse_bytes(memory), verify)
        return _compute(request, None if group is None or dist.get_world_size(group) == 1 else group)


def _compute(request: Request, group: "dist.ProcessGroup | None") -> Tensor:
    """Plan and run; after a failed proof, or an algorithm that raised, do so again without what failed.

    Raises ValueError if the kernel is not finite.
    """
    alone = group is None and request.verify != "first"
    if alone and (kernel := _recalled(request)) is not None:
        return kernel
    distrust, crashed, asked = Distrust(), frozenset[str](), request.algorithm
    while True:
        while request.algorithm in crashed:
            request = replace(request, algorithm=NEXT[request.algorithm])
        try:
            if group is None:
                made = make_plan(request, distrust, crashed)
                kernel = run(made, request)
            else:
                kernel = _share(group, request, distrust, crashed)
        except DisprovenError as error:
            if "ntkvp" in error.contractions.values():
                crashed |= {"ntkvp"}
            else:
                distrust = distrust.widened(error.contractions, request.x1.dtype)
        except CrashError as error:
            if error.algorithm == "loop":
                _check_rows(request)
                raise error.cause from None
            crashed |= {error.algorithm}
        else:
            if alone and distrust == Distrust() and not crashed:
                remember(request, made)
            _warn(distrust, asked, request.algorithm)
            return check_finite(kernel)


def _check_rows(request: Request) -> None:
    """Raise RefusalError if the network does not give a row for each sample."""
    with own_parameters(request.net, request.theta):
        for x in (request.x1, request.x2):
            if x is not None:
                check_rows(plain_call(request.net, x), len(x))


def _recalled(request: Request) -> Tensor | None:
    """The kernel by the plan of an earlier call, proven here like any other; None if there is no plan that holds.

    Every failure, and a kernel with NaN or Inf, is dropped: the new plan that follows either succeeds or raises a
    message of its own.
    """
    made = recall(request)
    if made is None:
        return None
    check_inputs(request.net, request.theta, request.x1, request.x2)
    check_eval_mode(request.net)
    try:
        kernel = run(made, replace(request, recalled=True))
        if torch.isfinite(kernel.sum()):
            return kernel
    except (RefusalError, DisprovenError, CrashError):
        pass
    forget(request)
    return None


def _attempt(request: Request, distrust: Distrust, crashed: frozenset[str]) -> Tensor:
    return run(make_plan(request, distrust, crashed), request)


def _share(group: "dist.ProcessGroup", request: Request, distrust: Distrust, crashed: frozenset[str]) -> Tensor:
    """`_attempt` by all ranks: around the ring if x2 is None and the factors of four blocks fit, else by rows of x1."""
    rank, world, x1 = dist.get_rank(group), dist.get_world_size(group), request.x1
    names = tuple(request.theta)
    if request.x2 is None:
        block = x1[: block_size(len(x1), world)]
        made = make_plan(replace(request, x1=block), distrust, crashed)
        # The rank's other block is held too, and two that arrive.
        needed = made.peak_bytes + 3 * SLACK * sum(entry.peak_bytes for entry in made.parameters)
        if made.algorithm != "ntkvp" and made.tile >= len(block) and needed <= request.budget:
            return run(made, request, Ring(group, names, made.algorithm))
    if len(x1) < world:
        raise ValueError(f"x1 has {len(x1)} rows; allowed: at least one for each of the {world} ranks")
    own = replace(request, x1=x1[rank::world], x2=x1 if request.x2 is None else request.x2)
    rows = together(group, names, x1.device, lambda: _attempt(own, distrust, crashed))
    return gather_rows(rows, len(x1), group)


def run(plan: Plan, request: Request, drive: Driver = tiled_kernel) -> Tensor:
    """The kernel by a plan; raises CrashError for an exception that is neither a refusal nor a failed proof."""
    with crashes_of(plan.algorithm):
        return _run(plan, request, drive)


def _sum_of_parts(plan: Plan, request: Request, drive: Driver) -> Tensor:
    """The kernels of the parts, added; the network holds all given values, of which a part differentiates its own."""
    theta = request.theta
    with own_parameters(request.net, theta):
        total: Tensor | None = None
        for part in plan.parts:
            own = {entry.name: theta[entry.name] for entry in part.parameters}
            kernel = _run(part, replace(request, theta=own), drive, theta)
            total = kernel if total is None else total.add_(kernel)
    assert total is not None
    return total


def _run(plan: Plan, request: Request, drive: Driver, whole: Params | None = None) -> Tensor:
    """`run` without its errors; whole: the parameters of the whole kernel, if the plan is a part of another."""
    if plan.parts:
        return _sum_of_parts(plan, request, drive)
    net, theta, x1, x2, selection = request.net, request.theta, request.x1, request.x2, plan.problem.selection
    problem = Problem.of(x1, x2, selection)
    prove = request.verify != "off"
    if plan.algorithm == "ntkvp":
        if prove:
            prove_products(net, theta, x1, x2, selection, plan.tile)
        kernel = ntkvp_kernel(single_output_function(net, selection, {}), theta, x1, x2, problem, plan.tile)
        if prove:
            prove_product_kernel(net, theta, x1, x2, selection, kernel, plan.tile)
        return selection.shaped(kernel)
    first = request.verify == "first"
    known = plan.proven_as(settings_of(net)) if first else set()
    prover = Prover(net, theta, selection, plan.terms, known, not first, whole, request.recalled) if prove else None
    return selection.shaped(drive(x1, x2, problem, TermWork(net, theta, selection, plan.terms, plan.schedule, prover)))


def run_given(plan: Plan, request: Request, drive: Driver = tiled_kernel) -> Tensor:
    """`run` for a plan that a caller holds; raises StalePlanError where what it assumes is not so."""
    try:
        return run(plan, request, drive)
    except DisprovenError as error:
        raise StalePlanError(
            f"the plan assumes of {error} what these samples show is not so; call ntk without a plan"
        ) from None
    except CrashError as error:
        raise StalePlanError(f"the plan's algorithm raised {error.cause!r}; call ntk without a plan") from error.cause


def _warn(distrust: Distrust, asked: str, used: str) -> None:
    """Warn of the parameters for which the proof failed, and of an algorithm that replaced the one asked for."""
    if asked != used:
        warnings.warn(f"algorithm {asked!r} raised on this net; {used!r} was used", UnprovenWarning, stacklevel=4)
    if distrust.rule:
        names = sorted(distrust.rule)
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} others" if len(names) > 5 else "")
        path = "vmap(jacrev)" if distrust.vmap else "a loop of plain autograd"
        warnings.warn(
            f"what the layers of {shown} give is not autograd's gradient on these samples: their share of the kernel "
            f"was computed by {path}, which is slower",
            UnprovenWarning,
            stacklevel=4,
        )


def check_plan(plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> None:
    """Raise StalePlanError unless the plan is for inputs of these shapes and these parameters."""
    check_inputs(net, theta, x1, x2)
    check_eval_mode(net)
    n = len(x1), len(x1 if x2 is None else x2)
    same = plan.shape[:2] == n and plan.sample_shape == tuple(x1.shape[1:]) and plan.dtype == str(x1.dtype)
    if not same or plan.problem.symmetric != (x2 is None) or {p.name for p in plan.parameters} != set(theta):
        raise StalePlanError(
            f"the plan is for {plan.dtype} inputs {plan.shape[:2]} of {plan.sample_shape}, {len(plan.parameters)} "
            "parameters; make one with hpnets.ntk.plan for these"
        )

"""The one entry point: check the arguments, plan, run the plan."""

from dataclasses import replace
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.ntk._budget import Driver, parse_bytes, tiled_kernel
from hpnets.ntk._checks import check_eval_mode, check_finite, check_inputs, check_types
from hpnets.ntk._functional import Params, eager, single_output_function, undisturbed
from hpnets.ntk._jacobian import jacobian_kernel
from hpnets.ntk._ntkvp import ntkvp_kernel
from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._planning import Plan, Request, StalePlanError, make_plan, parameters_of
from hpnets.ntk._ring import Ring, block_size, gather_rows
from hpnets.ntk._sketch import sketch
from hpnets.ntk._structured import structured_kernel
from hpnets.ntk._terms import NotSeparable

# Of algorithm="sketch": an error of about 1/16 of sqrt(K_aa K_bb).
TANGENTS = 256


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
) -> Tensor:
    r"""Empirical neural tangent kernel K[i, j, o, p] = < df_o(x1_i)/dtheta, df_p(x2_j)/dtheta >.

    Args:
        net: maps (N, *shape) to (N, O); in eval mode wherever its mode matters. Its state is left as it was.
        x1: inputs (N1, *shape), float32 or float64, of the parameters' dtype.
        x2: inputs (N2, *shape); None means x1, and only half of the kernel is computed.
        outputs: "full" (N1, N2, O, O); "trace" (N1, N2), the sum over o of K[..., o, o] (not the mean);
            "sum" (N1, N2), the kernel of sum_o f_o; an int o: (N1, N2), the kernel of the logit f_o; a tuple of c
            logits: (N1, N2, c, c); a matrix V (O, C): (N1, N2, C, C), the kernel of V^T f. Required without a plan.
        algorithm: "structured" (from layers' inputs and output gradients), "jacobian" (vmap of jacrev, then a product),
            "ntkvp" (jvp after vjp: no Jacobian is stored), or "auto": the cheapest of these by `plan` that fits.
            "sketch" estimates, from 256 random tangents: `hpnets.ntk.sketch` gives the error bar, and other numbers.
        params: names to tensors, the parameters differentiated and their values; None means every parameter of `net`
            with requires_grad. Parameters left out are constants.
        memory: bytes, or a text such as "500MiB", that the work may take beside the kernel itself.
        plan: from `hpnets.ntk.plan` for inputs of the same shapes; then `outputs`, `algorithm` and `memory` are its.
        group: a torch.distributed group whose ranks share the work (`dist.group.WORLD` for all): they hold the same
            net and inputs and call together, and each gets the whole kernel.

    The axes are a view in that order; inside, outputs and samples alternate as (O, N1, O, N2).

    Raises:
        ValueError: half precision or integer input, x1 and x2 of different shapes, BatchNorm or dropout in training
            mode, samples that are coupled, outputs that are not (N, O), no parameters or unknown ones, an unknown mode
            or algorithm, a sharded net, NaN in the kernel, a plan for other inputs, or a budget that one row exceeds.

    Source: Jacot et al. 2018 (arXiv 1806.07572), eq. 4; jvp after vjp and structured derivatives: Novak et al. 2022
    (arXiv 2206.08720).
    """
    check_types(params, x1, x2)
    x1, x2 = x1.detach(), None if x2 is None else x2.detach()
    net = eager(net)
    theta = parameters_of(net, params)
    if plan is not None and (outputs is not None or algorithm != "auto" or group is not None):
        raise ValueError("plan has outputs and an algorithm of its own, for one process; allowed beside it: params")
    if plan is None and outputs is None:
        raise ValueError("outputs is not given; allowed: 'full', 'trace', 'sum', a logit, a tuple of them, a matrix")
    if algorithm == "sketch" and outputs is not None:
        if x2 is not None or group is not None:
            raise ValueError("algorithm is 'sketch', which takes no x2 and no group; allowed: x1 alone")
        return sketch(net, x1, outputs=outputs, samples=TANGENTS, seed=0, params=params, memory=memory).kernel
    with undisturbed(net, x1.device):
        if plan is not None:
            _check_plan(plan, net, theta, x1, x2)
            return check_finite(_run_given(plan, net, theta, x1, x2))
        assert outputs is not None
        wanted = Request(net, theta, x1, x2, outputs, algorithm, parse_bytes(memory))
        compute = _compute if group is None or dist.get_world_size(group) == 1 else partial(_share, group)
        try:
            kernel = compute(wanted)
        except NotSeparable:
            kernel = compute(replace(wanted, separable=False))
        return check_finite(kernel)


def _run_given(plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> Tensor:
    try:
        return run(plan, net, theta, x1, x2)
    except NotSeparable:
        raise StalePlanError(
            "the plan takes layers for a Hadamard chain, which these inputs show they are not; call ntk without a plan"
        ) from None


def _compute(wanted: Request) -> Tensor:
    return run(make_plan(wanted), wanted.net, wanted.theta, wanted.x1, wanted.x2)


def _share(group: "dist.ProcessGroup", wanted: Request) -> Tensor:
    """`_compute` by all ranks: around the ring where x2 is None and the factors of four blocks fit, else by rows."""
    rank, world, x1 = dist.get_rank(group), dist.get_world_size(group), wanted.x1
    if wanted.x2 is None:
        block = x1[: block_size(len(x1), world)]
        plan = make_plan(replace(wanted, x1=block))
        whole = plan.tile >= len(block) and (not plan.rest or plan.rest_tile >= len(block))
        if plan.algorithm != "ntkvp" and whole and 4 * plan.peak_bytes <= wanted.budget:
            return run(plan, wanted.net, wanted.theta, x1, None, Ring(group))
    if len(x1) < world:
        raise ValueError(f"x1 has {len(x1)} rows; allowed: at least one for each of the {world} ranks")
    columns = x1 if wanted.x2 is None else wanted.x2
    return gather_rows(_compute(replace(wanted, x1=x1[rank::world], x2=columns)), len(x1), group)


def run(
    plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None, drive: Driver = tiled_kernel
) -> Tensor:
    """The kernel by a plan, on an eager net within `undisturbed`."""
    kernel = (
        structured_kernel(net, theta, x1, x2, plan.selection, plan.terms, plan.schedule, drive) if plan.terms else None
    )
    if plan.rest:
        f = single_output_function(net, plan.selection, {name: p for name, p in theta.items() if name not in plan.rest})
        # To the kernel of the terms in its place: another one beside it would exceed the budget.
        compute = ntkvp_kernel if plan.algorithm == "ntkvp" else partial(jacobian_kernel, drive=drive, total=kernel)
        kernel = compute(f, {name: theta[name] for name in plan.rest}, x1, x2, plan.selection, plan.rest_tile)
    if kernel is None:
        n1, n2 = len(x1), len(x1 if x2 is None else x2)
        return torch.zeros(n1, n2, *plan.shape[2:], dtype=x1.dtype, device=x1.device)
    return plan.selection.shaped(kernel)


def _check_plan(plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> None:
    check_inputs(net, theta, x1, x2)
    check_eval_mode(net)
    n = len(x1), len(x1 if x2 is None else x2)
    same = plan.shape[:2] == n and plan.sample_shape == tuple(x1.shape[1:]) and plan.dtype == str(x1.dtype)
    if not same or plan.symmetric != (x2 is None) or {p.name for p in plan.parameters} != set(theta):
        raise StalePlanError(
            f"the plan is for {plan.dtype} inputs {plan.shape[:2]} of {plan.sample_shape}, {len(plan.parameters)} "
            "parameters; make one with hpnets.ntk.plan for these"
        )

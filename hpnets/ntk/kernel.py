"""The one entry point: check the arguments, plan, run the plan."""

import torch
from torch import Tensor, nn

from hpnets.ntk.checks import check_finite, check_inputs, check_mode
from hpnets.ntk.functional import Params, eager, single_output_function, undisturbed
from hpnets.ntk.jacobian import jacobian_kernel
from hpnets.ntk.memory import parse_bytes
from hpnets.ntk.ntkvp import ntkvp_kernel
from hpnets.ntk.outputs import Outputs
from hpnets.ntk.planning import Plan, make_plan, parameters_of
from hpnets.ntk.structured import structured_kernel
from hpnets.ntk.terms import NotSeparable


def ntk(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs | None = None,
    algorithm: str = "auto",
    params: dict[str, Tensor] | None = None,
    memory: str | int = "1GiB",
    plan: Plan | None = None,
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
            "ntkvp" (jvp after vjp: no Jacobian is stored), or "auto": the cheapest by `plan` that fits.
        params: names to tensors, the parameters differentiated and their values; None means every parameter of `net`
            with requires_grad. Parameters left out are constants.
        memory: bytes, or a text such as "500MiB", that the work may take beside the kernel itself.
        plan: from `hpnets.ntk.plan` for inputs of the same shapes; then `outputs`, `algorithm` and `memory` are its.

    The axes are a view in that order; inside, outputs and samples alternate as (O, N1, O, N2).

    Raises:
        ValueError: half precision or integer input, x1 and x2 of different shapes, BatchNorm or dropout in training
            mode, samples that are coupled, outputs that are not (N, O), no parameters or unknown ones, an unknown mode
            or algorithm, a sharded net, NaN in the kernel, a plan for other inputs, or a budget that one row exceeds.

    Source: Jacot et al. 2018 (arXiv 1806.07572), eq. 4; jvp after vjp and structured derivatives: Novak et al. 2022
    (arXiv 2206.08720).
    """
    net = eager(net)
    theta = parameters_of(net, params)
    if algorithm == "sketch":
        raise ValueError("algorithm 'sketch' estimates, with an error bar: call hpnets.ntk.sketch")
    if plan is None and outputs is None:
        raise ValueError("outputs is not given; allowed: 'full', 'trace', 'sum', a logit, a tuple of them, a matrix")
    with undisturbed(net, x1.device):
        if plan is not None:
            _check_plan(plan, net, theta, x1, x2)
            return check_finite(run(plan, net, theta, x1, x2))
        assert outputs is not None
        arguments = (net, theta, x1, x2, outputs, algorithm, parse_bytes(memory))
        try:
            kernel = run(make_plan(*arguments), net, theta, x1, x2)
        except NotSeparable:
            kernel = run(make_plan(*arguments, separable=False), net, theta, x1, x2)
        return check_finite(kernel)


def run(plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> Tensor:
    """The kernel by a plan, on an eager net within `undisturbed`."""
    kernel = structured_kernel(net, theta, x1, x2, plan.mode, plan.terms, plan.schedule) if plan.terms else None
    if plan.rest:
        f = single_output_function(net, plan.mode, {name: p for name, p in theta.items() if name not in plan.rest})
        compute = ntkvp_kernel if plan.algorithm == "ntkvp" else jacobian_kernel
        part = compute(f, {name: theta[name] for name in plan.rest}, x1, x2, plan.mode, plan.rest_tile)
        kernel = part if kernel is None else kernel.add_(part)
    if kernel is None:
        kernel = torch.zeros(plan.shape, dtype=x1.dtype, device=x1.device)
        return kernel
    return plan.mode.shaped(kernel)


def _check_plan(plan: Plan, net: nn.Module, theta: Params, x1: Tensor, x2: Tensor | None) -> None:
    check_inputs(net, theta, x1, x2)
    check_mode(net)
    n = len(x1), len(x1 if x2 is None else x2)
    same = plan.shape[:2] == n and plan.sample_shape == tuple(x1.shape[1:]) and plan.dtype == str(x1.dtype)
    if not same or plan.symmetric != (x2 is None) or {p.name for p in plan.parameters} != set(theta):
        raise ValueError(
            f"the plan is for {plan.dtype} inputs {plan.shape[:2]} of {plan.sample_shape}, {len(plan.parameters)} "
            "parameters; make one with hpnets.ntk.plan for these"
        )

"""The one entry point: check the arguments, choose the algorithm, name the output mode."""

from typing import Literal

import torch
from torch import Tensor, nn

from hpnets.ntk.functional import exact_arithmetic, single_output_function, trainable_parameters
from hpnets.ntk.jacobian import jacobian_kernel
from hpnets.ntk.memory import parse_bytes
from hpnets.ntk.ntkvp import ntkvp_kernel

Outputs = Literal["full", "trace", "sum"] | int
ALGORITHMS = {"jacobian": jacobian_kernel, "ntkvp": ntkvp_kernel}


def ntk(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs,
    algorithm: str = "jacobian",
    params: dict[str, Tensor] | None = None,
    memory: str | int = "1GiB",
) -> Tensor:
    r"""Empirical neural tangent kernel K[i, j, o, p] = < df_o(x1_i)/dtheta, df_p(x2_j)/dtheta >.

    Args:
        net: maps (N, *shape) to (N, O); in eval mode wherever its mode matters. Its state is left as it was.
        x1: inputs (N1, *shape), float32 or float64, of the parameters' dtype.
        x2: inputs (N2, *shape); None means x1, and only half of the tiles are computed.
        outputs: "full" (N1, N2, O, O); "trace" (N1, N2), the sum over o of K[..., o, o] (not the mean);
            "sum" (N1, N2), the kernel of sum_o f_o; an int o: (N1, N2), the kernel of the logit f_o.
        algorithm: "jacobian" (vmap of jacrev, then one product per parameter) or "ntkvp" (jvp after vjp: no Jacobian
            is stored).
        params: names to tensors, the parameters differentiated and their values; None means every parameter of `net`
            with requires_grad. Parameters left out are constants.
        memory: bytes, or a text such as "500MiB", that the working tiles may take, beside the kernel itself.

    Raises:
        ValueError: half precision or integer input, x1 and x2 of different shapes, BatchNorm or dropout in training
            mode, outputs that are not (N, O), no parameters, an unknown mode, NaN in the kernel, or a memory bound
            that one row exceeds.

    Source: Jacot et al. 2018 (arXiv 1806.07572), eq. 4; jvp after vjp: Novak et al. 2022 (arXiv 2206.08720).
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm is {algorithm!r}; allowed: {', '.join(ALGORITHMS)}")
    budget = parse_bytes(memory)
    theta = trainable_parameters(net) if params is None else {k: p.detach() for k, p in params.items()}
    _check_inputs(theta, x1, x2)
    with exact_arithmetic(x1.device):
        f = single_output_function(net, theta, x1, outputs)
        kernel = ALGORITHMS[algorithm](f, theta, x1, x2, trace=outputs == "trace", budget=budget)
    if not torch.isfinite(kernel).all():
        raise ValueError(
            f"the kernel holds NaN or Inf: {int((~torch.isfinite(kernel)).sum())} of {kernel.numel()} entries"
        )
    return kernel if outputs in ("full", "trace") else kernel[..., 0, 0]


def _check_inputs(theta: dict[str, Tensor], x1: Tensor, x2: Tensor | None) -> None:
    if not theta:
        raise ValueError("no parameter to differentiate: net has none with requires_grad, or params is empty")
    dtypes = {p.dtype for p in theta.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        raise ValueError(f"parameters have dtype {sorted(map(str, dtypes))}; allowed: all float32 or all float64")
    for name, x in (("x1", x1), ("x2", x1 if x2 is None else x2)):
        if x.dtype not in dtypes:
            raise ValueError(f"{name} has dtype {x.dtype}; allowed: the parameters' dtype, {dtypes.pop()}")
        if x.ndim < 2 or len(x) == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}; allowed: (N, ...) with N >= 1")
    if x2 is not None and x1.shape[1:] != x2.shape[1:]:
        raise ValueError(f"x1 and x2 hold samples of different shapes: {tuple(x1.shape[1:])}, {tuple(x2.shape[1:])}")

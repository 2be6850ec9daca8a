"""A kernel in six numbers, by which weights can be recognised."""

import copy

from torch import Tensor, nn

from hpnets.linalg import spectrum
from hpnets.ntk._kernel import ntk


def fingerprint(net: nn.Module, x: Tensor, top: int = 5) -> dict[str, float | list[float]]:
    """{"trace": sum lambda, "eigenvalues": the `top` largest} of the trace kernel on x, float64, in eval mode."""
    double = copy.deepcopy(net).double().cpu().eval()
    result = spectrum(ntk(double, x.double().cpu(), outputs="trace"))
    return {"trace": float(result.eigenvalues.sum()), "eigenvalues": result.eigenvalues[:top].tolist()}

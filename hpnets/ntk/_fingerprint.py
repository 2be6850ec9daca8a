"""A fingerprint: six numbers of a kernel by which weights are recognised."""

from torch import Tensor, nn

from hpnets.linalg import spectrum
from hpnets.ntk._copies import copied
from hpnets.ntk._kernel import ntk


def fingerprint(net: nn.Module, x: Tensor, top: int = 5) -> dict[str, float | list[float]]:
    """The trace and the `top` largest eigenvalues of the trace kernel on x, in float64, in eval mode.

    Returns {"trace": sum_i lambda_i, "eigenvalues": [lambda_1, ..., lambda_top]}.
    """
    double = copied(net).double().cpu().eval()
    result = spectrum(ntk(double, x.double().cpu(), outputs="trace"))
    return {"trace": float(result.eigenvalues.sum()), "eigenvalues": result.eigenvalues[:top].tolist()}

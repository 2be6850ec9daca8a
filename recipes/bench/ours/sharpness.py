"""hpnets computes the largest eigenvalues of the Hessian ("top"), or one gradient or product, as the job's outputs say.

"gradient", "hessian", "gauss_newton" and "residual" are of one product each, with its graph kept from an earlier one;
"hessian, fresh" and the like make the graph too, so that its memory counts.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from hpnets.curvature import CurvatureOperator, Sharpness, gauss_newton, hessian, network_loss, residual, sharpness
from recipes.bench.cases import TOP, load, loss_and_labels
from recipes.bench.worker import Job, serve

PARTS: dict[str, Callable[..., CurvatureOperator]] = {
    "hessian": partial(hessian, verify=False),
    "gauss_newton": gauss_newton,
    "residual": partial(residual, verify=False),
}


def setup(job: Job) -> Callable[[], Sharpness | Tensor]:
    net, x = load(job)
    criterion, y = loss_and_labels(x)
    loss = network_loss(net, criterion)
    what, _, fresh = job.outputs.partition(", ")
    if what == "gradient":
        return lambda: torch.cat([g.flatten() for g in torch.autograd.grad(loss(loss.params, (x, y)), params(net))])

    def operator() -> CurvatureOperator:
        make = PARTS.get(what, PARTS["hessian"])
        return make(loss, loss.params, (x, y), memory=job.memory)

    v = torch.ones(sum(p.numel() for p in params(net)), device=x.device)
    if what == "top":
        return lambda: sharpness(operator(), TOP, tol=1e-5)
    if fresh:
        return lambda: operator().matvec(v)
    kept = operator()
    return lambda: kept.matvec(v)


def params(net: torch.nn.Module) -> list[Tensor]:
    """The parameters that are differentiated."""
    return [p for p in net.parameters() if p.requires_grad]


def convert(measured: Sharpness | Tensor) -> np.ndarray:
    """The eigenvalues, or the vector."""
    return (measured if isinstance(measured, Tensor) else measured.values).detach().cpu().numpy()


if __name__ == "__main__":
    serve(setup, ("torch",), convert=convert)

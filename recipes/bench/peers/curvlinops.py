"""curvlinops gives J (J^T E) by its Jacobian operators, for columns E of the identity, as many at once as 2 GB hold."""

from collections.abc import Callable

import torch
from curvlinops import JacobianLinearOperator
from torch import Tensor

from recipes.bench.cases import load
from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    net, x = load(job)
    params = list(net.parameters())
    outputs = net(x[:1]).shape[1]
    rows = len(x) * outputs
    columns = max(1, min(rows, 2**31 // (4 * 3 * sum(p.numel() for p in params))))
    eye = torch.eye(rows, device=x.device)

    def kernel() -> Tensor:
        data = [(x, torch.zeros(len(x), outputs, device=x.device))]
        jacobian = JacobianLinearOperator(net, params, data, check_deterministic=False)
        transposed = jacobian.adjoint()
        parts = [jacobian @ (transposed @ part) for part in eye.split(columns, dim=1)]
        return torch.cat(parts, dim=1).unflatten(1, (-1, outputs)).unflatten(0, (-1, outputs)).permute(0, 2, 1, 3)

    return kernel


if __name__ == "__main__":
    serve(setup, ("torch", "curvlinops-for-pytorch"))

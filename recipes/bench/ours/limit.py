"""hpnets' side of the race of limit kernels."""

from collections.abc import Callable
from typing import Any

import torch

from hpnets.models import create_model
from hpnets.theory import LimitKernel, limit_kernel
from recipes.bench.worker import Job, serve

OPTIONS: dict[str, dict[str, Any]] = {"mlp": {"depth": 4}, "pnn": {"degree": 4}}


def setup(job: Job) -> Callable[[], LimitKernel]:
    """The limit kernel of the points with themselves."""
    torch.set_num_threads(job.threads)
    x = torch.from_numpy(job.arrays()[1])
    net = create_model(job.case, input_shape=tuple(x.shape[1:]), output_dim=1, width=8, **OPTIONS[job.case]).eval()
    return lambda: limit_kernel(net, x)


if __name__ == "__main__":
    serve(setup, ("torch",), convert=lambda kernel: torch.stack([*kernel]).numpy())

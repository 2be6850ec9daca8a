"""One part of the bound: a float32 product of two square matrices of `samples` rows."""

from collections.abc import Callable

import torch
from torch import Tensor

from recipes.bench.worker import Job, serve


def setup(job: Job) -> Callable[[], Tensor]:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(job.threads)
    a, b = torch.randn(2, job.samples, job.samples, device=job.device)
    return lambda: a @ b


if __name__ == "__main__":
    serve(setup, ("torch",))

"""Our side of the race."""

import sys
from typing import Any

import numpy as np
import torch

from hpnets.models import create_model
from hpnets.theory import limit_kernel
from recipes.bench.limits.serve import points, serve

OPTIONS: dict[str, dict[str, Any]] = {"mlp": {"depth": 4}, "pnn": {"degree": 4}}


def main() -> None:
    torch.set_num_threads(2)
    name, x = sys.argv[1], torch.from_numpy(points())
    net = create_model(name, input_shape=tuple(x.shape[1:]), output_dim=1, width=8, **OPTIONS[name]).eval()

    def call() -> np.ndarray:
        kernel = limit_kernel(net, x)
        return np.stack([kernel.covariance.numpy(), kernel.ntk.numpy()])

    serve(call)


if __name__ == "__main__":
    main()

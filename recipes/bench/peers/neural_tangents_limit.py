"""neural-tangents' side of the race of limit kernels."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from neural_tangents import stax

from recipes.bench.worker import Job, serve

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def feature(features: int) -> tuple:
    """The layer relu(W x), W ~ N(0, 1)."""
    return stax.serial(stax.Dense(1, features**0.5), stax.Relu())


def network(name: str, features: int) -> tuple:
    """The networks of ours/limit.py."""
    if name == "mlp":
        return stax.serial(*[stax.Dense(1, 2**0.5), stax.Relu()] * 4, stax.Dense(1))
    branches = [feature(features) for _ in range(4)]
    return stax.serial(stax.FanOut(4), stax.parallel(*branches), stax.FanInProd(), stax.Dense(1, 2**0.5))


def setup(job: Job) -> Callable[[], Any]:
    """The kernels of the points with themselves, compiled at the first call."""
    x = job.arrays()[1]
    kernel_fn = jax.jit(network(job.case, x.shape[1])[2], static_argnames="get")
    return lambda: jax.block_until_ready(kernel_fn(x, None, get=("nngp", "ntk")))


if __name__ == "__main__":
    serve(setup, ("jax", "neural-tangents"), convert=lambda k: np.stack([np.asarray(k.nngp), np.asarray(k.ntk)]))

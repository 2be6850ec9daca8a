"""neural-tangents' side of the race."""

import sys

import jax
import numpy as np
from neural_tangents import stax

from recipes.bench.limits.serve import points, serve

jax.config.update("jax_enable_x64", True)


def feature(features: int) -> tuple:
    """relu(W x), W ~ N(0, 1)."""
    return stax.serial(stax.Dense(1, features**0.5), stax.Relu())


def network(name: str, features: int) -> tuple:
    """The networks of ours/limit.py."""
    if name == "mlp":
        return stax.serial(*[stax.Dense(1, 2**0.5), stax.Relu()] * 4, stax.Dense(1))
    branches = [feature(features) for _ in range(4)]
    return stax.serial(stax.FanOut(4), stax.parallel(*branches), stax.FanInProd(), stax.Dense(1, 2**0.5))


def main() -> None:
    x = points()
    kernel_fn = jax.jit(network(sys.argv[1], x.shape[1])[2], static_argnames="get")

    def call() -> np.ndarray:
        kernel = kernel_fn(x, None, get=("nngp", "ntk"))
        return np.stack([np.asarray(kernel.nngp), np.asarray(kernel.ntk)])

    serve(call)


if __name__ == "__main__":
    main()

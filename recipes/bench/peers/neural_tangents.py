"""neural-tangents (JAX) on the same weights, jit-compiled before the clock starts; the networks are written in JAX."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import neural_tangents as nt
import numpy as np
from jax import Array, lax

from recipes.bench.worker import Job, serve

Weights = dict[str, Array]
GROUPS = 8
# The fastest of its three exact implementations for each network on 2 CPU cores; its documentation says that auto may
# return wrong kernels on CPU and GPU.
IMPLEMENTATION = {
    "mlp": nt.NtkImplementation.NTK_VECTOR_PRODUCTS,
    "ccp": nt.NtkImplementation.NTK_VECTOR_PRODUCTS,
    "conv": nt.NtkImplementation.JACOBIAN_CONTRACTION,
    "resnet18": nt.NtkImplementation.STRUCTURED_DERIVATIVES,
}


def linear(w: Weights, name: str, x: Array) -> Array:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def convolve(w: Weights, name: str, x: Array, stride: int = 1) -> Array:
    kernel = w[f"{name}.weight"]
    pad = kernel.shape[-1] // 2
    y = lax.conv_general_dilated(x, kernel, (stride, stride), [(pad, pad)] * 2)
    return y + w[f"{name}.bias"][:, None, None] if f"{name}.bias" in w else y


def group_norm(w: Weights, name: str, x: Array) -> Array:
    parts = x.reshape(len(x), GROUPS, -1)
    centred = parts - parts.mean(-1, keepdims=True)
    y = (centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)).reshape(x.shape)
    return y * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def mlp(w: Weights, x: Array) -> Array:
    for i in range(3):
        x = jax.nn.relu(linear(w, f"W.{i}", x))
    return linear(w, "V", x)


def ccp(w: Weights, x: Array) -> Array:
    y = linear(w, "U.0", x)
    for n in range(1, 4):
        y = linear(w, f"U.{n}", x) * y + y
    return linear(w, "C", y)


def conv(w: Weights, x: Array) -> Array:
    for i in (0, 2, 4):
        x = jax.nn.relu(convolve(w, str(i), x))
    return linear(w, "8", x.mean((2, 3)))


def block(w: Weights, name: str, x: Array, stride: int) -> Array:
    y = jax.nn.relu(group_norm(w, f"{name}.bn1", convolve(w, f"{name}.conv1", x, stride)))
    y = group_norm(w, f"{name}.bn2", convolve(w, f"{name}.conv2", y))
    if f"{name}.downsample.0.weight" in w:
        x = group_norm(w, f"{name}.downsample.1", convolve(w, f"{name}.downsample.0", x, stride))
    return jax.nn.relu(x + y)


def resnet18(w: Weights, x: Array) -> Array:
    x = jax.nn.relu(group_norm(w, "bn1", convolve(w, "conv1", x)))
    for stage in range(1, 5):
        x = block(w, f"layer{stage}.0", x, 1 if stage == 1 else 2)
        x = block(w, f"layer{stage}.1", x, 1)
    return linear(w, "fc", x.mean((2, 3)))


NETS = {"mlp": mlp, "ccp": ccp, "conv": conv, "resnet18": resnet18}


def setup(job: Job) -> Callable[[], Array]:
    """The compiled kernel of a job."""
    if job.device != "cpu":
        raise NotImplementedError("its environment computes on the CPU alone")
    weights, x = jax.tree_util.tree_map(jnp.asarray, job.arrays())
    net, implementation = NETS[job.case], IMPLEMENTATION[job.case]
    fn = nt.empirical_ntk_fn(net, trace_axes=(), diagonal_axes=(), vmap_axes=0, implementation=implementation)
    compiled = jax.jit(lambda w, x: fn(x, None, w)).lower(weights, x).compile()
    return lambda: compiled(weights, x).block_until_ready()


if __name__ == "__main__":
    serve(setup, ("neural-tangents", "jax"), convert=np.asarray, warm=False)

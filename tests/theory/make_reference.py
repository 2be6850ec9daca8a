"""Write reference.json, the kernels of neural-tangents 0.6.5 that test_reference.py holds ours to.

On Python 3.11, in an environment of its own:

    pip install neural-tangents==0.6.5 jax==0.4.23 jaxlib==0.4.23 'numpy<2' 'scipy<1.13'
    python tests/theory/make_reference.py tests/theory/reference.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax
import neural_tangents
import numpy as np
from neural_tangents import stax

jax.config.update("jax_enable_x64", True)


def mlp(act: Any, depth: int = 3) -> Any:
    return stax.serial(*[stax.Dense(1, 1.3, 0.2), act] * depth, stax.Dense(1, 1.1, 0.1))


def branch(act: Any) -> Any:
    return stax.serial(stax.Dense(1, 1.2, 0.1), act)


def product(*branches: Any) -> Any:
    return stax.serial(stax.FanOut(len(branches)), stax.parallel(*branches), stax.FanInProd())


def conv(stride: int = 1) -> Any:
    return stax.Conv(1, (3, 3), (stride, stride), "SAME" if stride == 1 else "VALID", 1.2, 0.1)


DENSE = {
    "dense": mlp(stax.Identity()),
    "relu": mlp(stax.Relu()),
    "leaky_relu": mlp(stax.LeakyRelu(0.2)),
    "erf": mlp(stax.Erf()),
    "gelu": mlp(stax.Gelu()),
    "sin": mlp(stax.Sin()),
    "cos": mlp(stax.Cos()),
    "square": stax.serial(stax.Dense(1, 1.3, 0.2), stax.Monomial(2), stax.Dense(1)),
    "cube": stax.serial(stax.Dense(1, 1.3, 0.2), stax.Monomial(3), stax.Dense(1)),
    "product": stax.serial(product(*[branch(stax.Relu())] * 3), stax.Dense(1, 2**0.5)),
    "bilinear": stax.serial(product(stax.Dense(1), stax.Dense(1)), stax.Dense(1)),
    "gated": stax.serial(
        *[product(branch(stax.Gelu()), branch(stax.Identity())), stax.Dense(1), stax.Relu()] * 2, stax.Dense(1)
    ),
    "layer_norm": stax.serial(
        stax.Dense(1), stax.LayerNorm(eps=1e-5), stax.Relu(), stax.Dense(1), stax.LayerNorm(), stax.Dense(1)
    ),
    "residual": stax.serial(
        stax.Dense(1, 1.1),
        stax.FanOut(2),
        stax.parallel(stax.Identity(), stax.serial(stax.Relu(), stax.Dense(1, 1.3, 0.1))),
        stax.FanInSum(),
        stax.Relu(),
        stax.Dense(1),
    ),
}
IMAGES = {
    "conv_pool": stax.serial(conv(), stax.Relu(), conv(), stax.Relu(), stax.GlobalAvgPool(), stax.Dense(1, 1.1, 0.1)),
    "conv_flatten": stax.serial(conv(), stax.Relu(), conv(2), stax.Erf(), stax.Flatten(), stax.Dense(1)),
    "conv_average": stax.serial(conv(), stax.Relu(), stax.AvgPool((2, 2), (2, 2)), conv(), stax.GlobalAvgPool()),
    "conv_product": stax.serial(product(conv(), stax.serial(conv(), stax.Relu())), conv(), stax.GlobalAvgPool()),
}


def main(path: Path) -> None:
    draws = np.random.RandomState(0)
    vectors, images = draws.randn(5, 4), draws.randn(3, 6, 6, 2)
    command = f"python tests/theory/make_reference.py {path}"
    measured: dict[str, Any] = {
        "command": command,
        "versions": {"neural_tangents": neural_tangents.__version__, "jax": jax.__version__},
        "vectors": vectors.tolist(),
        "images": images.transpose(0, 3, 1, 2).tolist(),
        "kernels": {},
    }
    for nets, x in ((DENSE, vectors), (IMAGES, images)):
        for name, (_, _, kernel_fn) in nets.items():
            try:
                kernel = kernel_fn(x, x[:3], ("nngp", "ntk"))
            except Exception as error:
                raise SystemExit(f"{name}: {error}") from error
            measured["kernels"][name] = {"S": np.asarray(kernel.nngp).tolist(), "T": np.asarray(kernel.ntk).tolist()}
    path.write_text(json.dumps(measured) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

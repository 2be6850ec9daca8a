"""Complex networks beside real ones on [Re z; Im z], by short names; their kernels and what they are taught."""

from collections.abc import Callable
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import ntk

# "mlp-<activation>": two hidden layers. "<activation>-mult-<N>", "<activation>-skip-<N>": products of N factors;
# "-sum": the additive twin. "real-..": the real network on [Re z; Im z].
REAL = {"none": "none", "modrelu": "none", "split_relu": "relu", "split_tanh": "tanh"}
TARGETS: dict[str, Callable[[Tensor], Tensor]] = {
    "Re z1 z2": lambda z: (z[:, 0] * z[:, 1]).real,
    "|z1|^2 - 1": lambda z: z[:, 0].abs() ** 2 - 1,
    "Re z1 conj z2": lambda z: (z[:, 0] * z[:, 1].conj()).real,
    "Re z1 z2 + Re z1 conj z2 + Re z1": lambda z: 2 * z[:, 0].real * z[:, 1].real + z[:, 0].real,
}


def make_net(name: str, dim: int, width: int) -> nn.Module:
    """The network in the NTK parametrisation, with one output; what starts at a constant is held there."""
    family, *rest = name.removeprefix("real-").split("-")
    real, made = name.startswith("real-"), {"input_shape": (2 * dim,), "output_dim": 1, "width": width}
    options: dict[str, Any] = made if real else {**made, "complex_input": True, "parametrisation": "ntk"}
    if family == "mlp":
        options |= {"depth": 2, "activation": REAL[rest[0]] if real else rest[0]}
        options |= {"parametrisation": "ntk"}
        net = create_model("mlp" if real else "complex_mlp", **options)
    else:
        options |= {"degree": int(rest[1]), "product": "sum" if rest[-1] == "sum" else "hadamard"}
        options |= {"activation": REAL[family], "scale_inputs": True} if real else {"activation": family}
        skip = rest[0] == "skip"
        options |= {} if real else {"skip": skip}
        net = create_model(("pnn_skip" if skip else "pnn") if real else "complex_ccp", **options)
    for p in net.parameters():
        p.requires_grad_(bool((p != p.flatten()[0]).any()))
    return net


def kernel(net: nn.Module, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The NTK of what is not held, in float64."""
    free = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}
    return ntk(net, x, y, outputs="trace", params=free).double()


def points(number: int, dim: int, seed: int) -> Tensor:
    """Points [Re z; Im z] (number, 2 dim), uniform on the sphere |z|^2 = dim, in float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 2 * dim, generator=generator, dtype=torch.float64)
    return dim**0.5 * x / x.norm(dim=1, keepdim=True)


def taught(target: str, x: Tensor) -> Tensor:
    """A target (n, 1) at [Re z; Im z]."""
    return TARGETS[target](torch.complex(*x.chunk(2, dim=1)))[:, None]


def relative(f: Tensor, y: Tensor) -> float:
    """The root mean square of f - y over that of y."""
    return float((f.double() - y.double()).norm() / y.double().norm())


def shifted_digits(number: int, seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test digits, each shifted at random on the torus: half of their Fourier coefficients, and labels.

    Of each c_k and its conjugate c_-k one is kept, as [Re c; Im c] of |c|^2 = dim; labels are one-hot less 1/10.
    """
    images, labels = load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(images), generator=generator)[: 2 * number]
    rolls = torch.randint(8, (2 * number, 2), generator=generator).tolist()
    pixels = torch.tensor(images, dtype=torch.float64).view(-1, 8, 8)[chosen]
    moved = torch.stack([p.roll(tuple(by), (0, 1)) for p, by in zip(pixels, rolls, strict=True)])
    half = [(a, b) for a in range(8) for b in range(8) if (a, b) < (-a % 8, -b % 8)]
    c = torch.stack([torch.fft.fft2(moved)[:, a, b] for a, b in half], 1)
    x = torch.cat([c.real, c.imag], 1)
    x = c.shape[1] ** 0.5 * x / x.norm(dim=1, keepdim=True)
    y = torch.nn.functional.one_hot(torch.tensor(labels)[chosen], 10).double() - 0.1
    return (x[:number], y[:number]), (x[number:], y[number:])

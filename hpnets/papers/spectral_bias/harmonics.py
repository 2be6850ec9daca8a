"""Cells of the study: eigenvalues, linearised and real training on the sphere, label noise on digits."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.papers.descent import descend_from_start
from hpnets.tasks.label_noise import noisy_parity
from hpnets.tasks.sphere import SphereTask
from hpnets.theory import dot_product, limit_kernel, multiplicity, sphere_spectrum, zonal_coefficients

Measured = dict[str, Any]
HARMONICS = (1, 3, 4, 5, 8, 12)
# Times of training are t = 2 lr steps, in which a component of kernel eigenvalue l falls as exp(-l t / n).
GRID = 121


def make_net(dim: int, degree: int, width: int, seed: int, device: str) -> nn.Module:
    """pnn_skip, drawn on the CPU."""
    torch.manual_seed(seed)
    return create_model("pnn_skip", input_shape=(dim,), output_dim=1, degree=degree, width=width).to(device)


def eigenvalues(dim: int, degree: int, k_max: int, windows: list[list[int]], device: str) -> Measured:
    """Funk-Hecke eigenvalues of the limit kernel of pnn_skip, its trace, and the decay fitted on windows of k."""
    net = make_net(dim, degree, 1, 0, "cpu")
    spectrum = sphere_spectrum(dot_product(lambda a, b: limit_kernel(net, a, b).ntk, dim), dim, k_max)
    fits = {f"{a}-{b}": spectrum.decay((a, b)).exponent for a, b in windows}
    return {
        "eigenvalues": spectrum.eigenvalues.tolist(),
        "errors": spectrum.errors.tolist(),
        "multiplicities": list(spectrum.multiplicities),
        "trace": spectrum.trace,
        "decay": {window: value if math.isfinite(value) else None for window, value in fits.items()},
    }


def sphere_data(dim: int, samples: int, seed: int, device: str) -> tuple[Tensor, ...]:
    """x, y of training and of test (both `samples`), and the direction u, of the `sphere` task."""
    sizes = {"train_size": samples, "test_size": samples, "batch_size": samples}
    task = SphereTask(dim=dim, degrees=HARMONICS, seed=seed, **sizes)
    task.setup()
    parts = [s.batch(range(len(s))) for s in (task.train_set, task.test_set)]
    return *(tensor.to(device) for part in parts for tensor in part), task.direction.to(device)


def linear_training(dim: int, degree: int, width: int, seed: int, samples: int, device: str) -> Measured:
    """Training of f - f0 with the network's own kernel at initialisation held fixed, at times t = 2 lr steps.

    "train", "test": at each time, what is left of each harmonic, the zonal coefficient of y - f over that of y.
    "lambda_max" is that of K / n. "start" is the root mean square of f0, "size" that of y.
    """
    x, y, x_test, y_test, u = sphere_data(dim, samples, seed, device)
    net = make_net(dim, degree, width, seed, device)
    K, cross = ntk(net, x, outputs="trace"), ntk(net, x_test, x, outputs="trace")
    predictor = KernelPredictor(K, y)
    top = float(torch.linalg.eigvalsh(K.double())[-1] / samples)
    times = [10 ** (-2 + 11 * i / (GRID - 1)) / top for i in range(GRID)]
    train, test = [], []
    for t in times:
        c = predictor.flow(t)
        train.append(left(y.double() - predictor.test(c, K), x, y, u))
        test.append(left(y_test.double() - predictor.test(c, cross), x_test, y_test, u))
    with torch.no_grad():
        start = float(net(x).square().mean().sqrt())
    size = float(y.square().mean().sqrt())
    return {"times": times, "train": train, "test": test, "lambda_max": top, "start": start, "size": size}


def left(residual: Tensor, x: Tensor, y: Tensor, u: Tensor) -> list[float]:
    """Zonal coefficients of the residual in units of those of y."""
    r, whole = (zonal_coefficients(v, x, u, HARMONICS)[:, 0] for v in (residual, y))
    return (r / whole).tolist()


def network_training(
    dim: int, degree: int, width: int, seed: int, samples: int, steps: int, at_once: float, device: str
) -> Measured:
    """Full-batch gradient descent of f - f0 on the mean squared error, lr = at_once / lambda_max of K / n.

    At six step numbers: "train", what is left of each harmonic, "linear", the same with the kernel of the start.
    """
    x, y, *_, u = sphere_data(dim, samples, seed, device)
    net = make_net(dim, degree, width, seed, device)
    K = ntk(net, x, outputs="trace")
    lr = at_once / float(torch.linalg.eigvalsh(K.double())[-1] / samples)
    record = sorted({max(1, round(steps * f)) for f in (0.03, 0.1, 0.25, 0.5, 0.75, 1)})
    seen = descend_from_start(net, x, y, lr, steps, record)
    predictor = KernelPredictor(K, y)
    linear = [y.double() - predictor.test(predictor.descent(s, 2 * lr), K) for s in record]
    return {
        "lr": lr,
        "steps": record,
        "train": [left(y - f, x, y, u) for f in seen],
        "linear": [left(r, x, y, u) for r in linear],
    }


def predicted_halves(eigenvalues: list[float]) -> dict[int, float]:
    """By k, t at which half of the harmonic is left, log 2 / lambda_k; without k whose lambda_k is 0 to rounding."""
    return {k: math.log(2) / eigenvalues[k] for k in HARMONICS if eigenvalues[k] > 1e-14 * eigenvalues[0]}


def few(dim: int, samples: int) -> list[int]:
    """The k of which there are fewer harmonics than samples, so that the points can tell them apart."""
    return [k for k in HARMONICS if multiplicity(k, dim) < samples]


def label_noise(
    degree: int, frequency: int, seed: int, width: int, samples: int, steps: int, at_once: float, device: str
) -> Measured:
    """Parity of digits (+-1) plus sin(2 pi k s), s in [0, 1] the first principal component; network and own kernel.

    Inputs are centred and of unit norm; f - f0 is trained with lr = at_once / lambda_max of K / n. "noise", "clean":
    how much of each was fitted, the least-squares coefficients of f on the two, after `steps`; "linear" the same with
    the kernel of the start; "test": mean squared error to the clean labels of test digits, of the linearised network.
    """
    x, clean, noise, x_test, clean_test = (part.to(device) for part in noisy_parity(frequency, samples, seed))
    net = make_net(x.shape[1], degree, width, seed, device)
    K, cross = ntk(net, x, outputs="trace"), ntk(net, x_test, x, outputs="trace")
    lr = at_once / float(torch.linalg.eigvalsh(K.double())[-1] / samples)
    y = clean + noise
    (f,) = descend_from_start(net, x, y, lr, steps, [steps])
    predictor = KernelPredictor(K, y)
    c = predictor.descent(steps, 2 * lr)
    parts = torch.cat([clean, noise], 1).double()
    fitted, linear = (torch.linalg.lstsq(parts, g.double()).solution[:, 0] for g in (f, predictor.test(c, K)))
    test = (predictor.test(c, cross) - clean_test).square().mean()
    names = ("clean", "noise")
    return {
        **dict(zip(names, fitted.tolist(), strict=True)),
        "linear": dict(zip(names, linear.tolist(), strict=True)),
        "test": float(test),
    }

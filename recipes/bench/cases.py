"""The networks that are measured, their weights and inputs, and the bound that a generic contraction reaches."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from recipes.bench.worker import Job

OUTPUTS = 10
TOP = 5  # eigenvalues of a Hessian


@dataclass(frozen=True)
class Case:
    """A network and its number of samples; a trial run uses `quick` samples."""

    title: str
    shape: tuple[int, ...]
    samples: int
    quick: int
    build: Callable[..., nn.Module]

    @property
    def dense(self) -> bool:
        """Whether the inputs are vectors, so that every hidden layer gives vectors."""
        return len(self.shape) == 1


def mlp(width: int = 512, outputs: int = OUTPUTS) -> nn.Module:
    """An MLP 64 - width - width - width - outputs with ReLU and biases."""
    return create_model("mlp", input_shape=(64,), output_dim=outputs, depth=3, width=width)


def ccp(width: int = 256, outputs: int = OUTPUTS) -> nn.Module:
    """The product network of degree 4."""
    return create_model("ccp", input_shape=(64,), output_dim=outputs, degree=4, width=width)


def conv(width: int = 32, outputs: int = OUTPUTS) -> nn.Module:
    """Three padded 3x3 convolutions with ReLU, a mean over the image, and a linear head."""
    layers: list[nn.Module] = []
    for inputs in (3, width, width):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))


def resnet18(width: int = 64, outputs: int = OUTPUTS) -> nn.Module:
    """ResNet-18 with GroupNorm."""
    return create_model("resnet18", input_shape=(3, 32, 32), output_dim=outputs, width=width, norm="group")


CASES = {
    "mlp": Case("MLP 64-512-512-512-10, N=256", (64,), 256, 16, mlp),
    "ccp": Case("CCP degree 4, width 256, 64 -> 10, N=256", (64,), 256, 16, ccp),
    "conv": Case("3 convs of 32 channels, mean, linear head; 3x32x32 -> 10, N=64", (3, 32, 32), 64, 4, conv),
    "resnet18": Case("ResNet-18, GroupNorm, 3x32x32 -> 10, N=16", (3, 32, 32), 16, 2, resnet18),
}


def prepare(name: str, folder: Path, samples: int, options: dict[str, int], digits: bool = False) -> Path:
    """Write weights of seed 0 and inputs `x`, standard normal or digits with noise, as npz; return the file's path."""
    case = CASES[name]
    torch.manual_seed(0)
    net = case.build(**options)
    arrays = {key: p.detach().numpy() for key, p in net.named_parameters()}
    path = folder / "-".join([name, str(samples), *map(str, options.values()), "data.npz"])
    x = noisy_digits(samples) if digits else torch.randn(samples, *case.shape)
    np.savez(path, x=x.numpy(), **arrays)  # type: ignore[arg-type]
    return path


def noisy_digits(samples: int) -> Tensor:
    """scikit-learn's 8x8 digits, standardised, drawn with replacement, each with noise of its own of deviation 0.1."""
    from sklearn.datasets import load_digits

    x = torch.from_numpy(load_digits().data).float()
    x = (x - x.mean()) / x.std()
    return x[torch.randint(len(x), (samples,))] + 0.1 * torch.randn(samples, x.shape[1])


def load(job: Job) -> tuple[nn.Module, Tensor]:
    """The network in eval mode and the inputs of a job, on its device; TF32 is turned off."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.set_num_threads(job.threads)
    weights, x = job.arrays()
    net = CASES[job.case].build(**job.options)
    net.load_state_dict({key: torch.from_numpy(w) for key, w in weights.items()})
    return net.eval().to(job.device), torch.from_numpy(x).to(job.device)


def loss_and_labels(x: Tensor) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
    """Cross-entropy, and labels (N,) that take turns."""
    return nn.functional.cross_entropy, torch.arange(len(x), device=x.device) % OUTPUTS


def contraction_flops(name: str, samples: int, options: dict[str, int]) -> float:
    r"""The FLOPs of the symmetric contraction, with R = N O rows.

    Dense nets: R^2 sum H over the hidden layers, the generic product of output gradients. Others: the sum over the
    convolutions (I inputs with taps, H outputs, S positions) of the least of
    per-sample gradients 2 R S I H + R^2 I H;  patch Gram between the gradients N^2 S^2 (I + O H) + R^2 S H;
    both Grams N^2 S^2 I + R^2 S^2 (H + 1). Norms, biases and the read-out are small, and left out.
    """
    shapes = layer_shapes(name, options)
    O, N = options.get("outputs", OUTPUTS), samples
    R = N * O
    if CASES[name].dense:
        return float(R * R * sum(H for _, _, H in shapes))
    total = 0.0
    for S, I, H in shapes:
        gradients = 2 * R * S * I * H + R * R * I * H
        sandwich = N * N * S * S * (I + O * H) + R * R * S * H
        total += min(gradients, sandwich, N * N * S * S * I + R * R * S * S * (H + 1))
    return total


def layer_shapes(name: str, options: dict[str, int]) -> list[tuple[int, int, int]]:
    """(S, I, H) of every Linear and Conv2d except the read-out, in the order of their calls."""
    case = CASES[name]
    net = case.build(**options)
    shapes: list[tuple[int, int, int]] = []

    def note(module: nn.Module, _: Any, y: Tensor) -> None:
        weight = module.get_parameter("weight")
        shapes.append((y[0, 0].numel(), weight[0].numel(), len(weight)))

    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_hook(note)
    with torch.no_grad():
        net(torch.zeros(1, *case.shape))
    return shapes[:-1]

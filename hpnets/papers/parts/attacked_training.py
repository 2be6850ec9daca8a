"""Small networks trained on clean and on attacked images, and linearised ones on the kernels that these have then."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpnets.attacks import attack, perturb
from hpnets.models import create_model
from hpnets.ntk import estimated_statistics, linearize, ntk, statistics_remember_start
from hpnets.ntk.metrics import centred_alignment, distance, effective_rank
from hpnets.options import AttackOptions
from hpnets.papers.parts.seeds import seed_for
from hpnets.tasks import create_task
from hpnets.tasks.kinds import Box, ClassificationTask
from hpnets.tasks.samples import Samples
from hpnets.training.measured_network import eval_mode

BATCH, PROBE, CLASSES = 128, 200, 10
TRAIN_STEPS, TEST_STEPS, STEP = 5, 10, 0.25  # gradients of an attack in training and in a test; its step over eps
CONV = "conv"
CLEAN, ATTACKED = "clean", "attacked"  # what a network is trained on
DYNAMICS = ("linearised/clean", "linearised/attacked", "centred/clean", "centred/attacked")
FROZEN_LR = 1e-3
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "depth": 2, "width": 128},
    "ccp": {"name": "ccp", "degree": 3, "width": 64},
    "pinet": {"name": "pinet", "width": 8},
    "starnet": {"name": "starnet", "width": 8, "depth": 1, "ratio": 2},
}


@dataclass(frozen=True)
class Images:
    """Labelled images, x (n, 1, side, side) and y (n,), of training, validation and test, and the box of their data."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    box: Box


@cache
def loaded(name: str) -> ClassificationTask:
    """The task with the images, set up."""
    task = create_task(name)
    assert isinstance(task, ClassificationTask)
    task.setup()
    return task


def images(name: str, side: int, number: int, held: int, seed: int, device: str) -> Images:
    """`number` training images and at most `held` of validation and of test, drawn by the seed, averaged to `side`."""
    task, generator = loaded(name), torch.Generator().manual_seed(seed_for("images", seed))

    def drawn(samples: Samples, n: int) -> tuple[Tensor, Tensor]:
        x, y = samples.batch(torch.randperm(len(samples), generator=generator)[:n])
        return F.avg_pool2d(x, x.shape[-1] // side).to(device), y.to(device)

    box = Box(*(bound.to(device) for bound in task.box))
    return Images(drawn(task.train_set, number), drawn(task.val_set, held), drawn(task.test_set, held), box)


def draw(network: str, side: int, seed: int, device: str) -> nn.Module:
    """A network of NETWORKS, or with -sum its additive twin, drawn on the CPU by its seed."""
    name, *twin = network.split("-")
    torch.manual_seed(seed_for("weights", seed))
    if name == CONV:
        return convolutions(side).to(device)
    options = {**NETWORKS[name], **({"product": "sum"} if twin else {})}
    return create_model(input_shape=(1, side, side), output_dim=CLASSES, **options).to(device)


def convolutions(side: int) -> nn.Module:
    """Three 3x3 convolutions, ReLU, of 16, 32 and 32 channels, the first two of stride 2, and a linear read-out."""
    sizes, layers = ((1, 16, 2), (16, 32, 2), (32, 32, 1)), list[nn.Module]()
    for inputs, outputs, stride in sizes:
        layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU()]
        side = -(-side // stride)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * side**2, CLASSES))


def training(net: nn.Module, data: Images, on: str, eps: float, lr: float, epochs: int, seed: int) -> Iterator[int]:
    """Train `net` in place by Adam, and yield the epochs that are done, from 0 on.

    A batch is one step; trained on attacked images, it is another one on its own, attacked in eval mode.
    """
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr)
    generator, (x, y) = torch.Generator().manual_seed(seed_for("order", seed)), data.train
    step, attack = partial(_step, net, optimizer), AttackOptions(eps, steps=TRAIN_STEPS, step_size=STEP)
    yield 0
    for epoch in range(1, epochs + 1):
        for k, rows in enumerate(torch.randperm(len(x), generator=generator).split(BATCH)):
            rows = rows.to(x.device)
            step(x[rows], y[rows])
            if on == ATTACKED:
                drawn = replace(attack, seed=seed_for(f"start {epoch} {k}", seed))
                with eval_mode(net):
                    worse = perturb(net, x[rows], y[rows], data.box, drawn)
                step(worse, y[rows])
        yield epoch


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


def accuracies(net: nn.Module, part: tuple[Tensor, Tensor], box: Box, eps: float) -> dict[str, float]:
    """The share of images that are classified correctly, "clean" and "robust", under attack."""
    x, y = part
    with eval_mode(net):
        worst = attack(net, x, y, box, AttackOptions(eps, steps=TEST_STEPS, step_size=STEP))
        with torch.no_grad():
            clean = (net(x).argmax(1) == y).double().mean()
    return {"clean": float(clean), "robust": worst.accuracy}


def kernel(net: nn.Module, data: Images) -> Tensor:
    """The trace kernel on the first PROBE training images; statistics that remember their start are estimated."""
    x, _ = data.train
    with lent_statistics(net, x), eval_mode(net):
        return ntk(net, x[:PROBE], outputs="trace").double().cpu()


def lent_statistics(net: nn.Module, x: Tensor) -> AbstractContextManager[None]:
    """BatchNorm's statistics on x, while the network's own remember their start."""
    return estimated_statistics(net, x.split(BATCH)) if statistics_remember_start(net) else nullcontext()


def moved(K: Tensor, K_0: Tensor, data: Images) -> dict[str, float]:
    """How far K is from K_0, its effective rank, the same of the centred kernels ("c-.."), and its alignment."""
    y, C, C_0 = F.one_hot(data.train[1][: len(K)], CLASSES).double().cpu(), centred(K), centred(K_0)
    ranks = {name: effective_rank(torch.linalg.eigvalsh(k)) for name, k in (("rank", K), ("c-rank", C))}
    return {"distance": distance(K, K_0), "c-distance": distance(C, C_0), **ranks, "alignment": centred_alignment(K, y)}


def centred(K: Tensor) -> Tensor:
    """HKH, H = I - 11^T/N."""
    return K - K.mean(0, keepdim=True) - K.mean(1, keepdim=True) + K.mean()


def on_frozen(net: nn.Module, data: Images, eps: float, epochs: int, seed: int, ways: Sequence[str]) -> dict[str, Any]:
    """Accuracies of linearised networks on the kernel of `net` as it is, by way: each of `ways` is one of DYNAMICS.

    "gap": the largest difference of the linearised network at d = 0 and the network, over its largest output.
    """
    start, made = copy.deepcopy(net), dict[str, Any]()
    with lent_statistics(start, data.train[0]):
        frozen = copy.deepcopy(start).eval()
    made["gap"] = _gap(frozen, linearize(frozen).eval(), data.test[0])
    for way in ways:
        dynamics, on = way.split("/")
        line = linearize(frozen, centred=dynamics == "centred").eval()
        for _ in training(line, data, on, eps, FROZEN_LR, epochs, seed):
            pass
        made[way] = accuracies(line, data.test, data.box, eps)
    return made


@torch.no_grad()
def _gap(net: nn.Module, line: nn.Module, x: Tensor) -> float:
    f = net(x)
    return float((line(x) - f).abs().max() / f.abs().max())

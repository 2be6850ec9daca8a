"""Networks of one output trained on two classes of images, and how locally elastic they are before and after."""

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import estimated_statistics, ntk, statistics_remember_start
from hpnets.ntk.metrics import Elasticity, elasticity, step_elasticity
from hpnets.papers.parts.image_pairs import Part, image_pair
from hpnets.papers.parts.seeds import seed_for

# Options of networks by their short names; -sum is the additive twin. All are in the standard parametrisation.
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"model": "mlp", "depth": 2, "width": 256},
    "tanh": {"model": "mlp", "depth": 2, "width": 256, "activation": "tanh"},
    "ccp": {"model": "ccp", "degree": 3, "width": 256},
    "ccp-relu": {"model": "ccp", "degree": 3, "width": 256, "activation": "relu"},
    "pinet": {"model": "pinet", "width": 8},
    "starnet": {"model": "starnet", "width": 8},
}
BATCH = 128
Measured = dict[str, Any]


def drawn(network: str, shape: tuple[int, ...], seed: int, **changes: Any) -> nn.Module:
    """The network of one output, by its seed; a network and its twin start from the same weights."""
    torch.manual_seed(seed_for("network", seed))
    options = NETWORKS[network.removesuffix("-sum")] | changes
    if network.endswith("-sum"):
        options["product"] = "sum"
    return create_model(options.pop("model"), input_shape=shape, output_dim=1, **options)


def train(net: nn.Module, part: Part, lr: float, epochs: int, seed: int) -> None:
    """Adam on mean (f - y)^2, y = +-1, batches of 128."""
    optimizer, generator = (
        torch.optim.Adam(net.parameters(), lr),
        torch.Generator().manual_seed(seed_for("batches", seed)),
    )
    net.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(part.x), generator=generator).to(part.x.device).split(BATCH):
            optimizer.zero_grad()
            (net(part.x[rows]) - part.y[rows]).square().mean().backward()
            optimizer.step()
    net.eval()


def with_statistics(net: nn.Module, x: Tensor) -> AbstractContextManager[None]:
    """BatchNorm's statistics of x while the network's own remember their start."""
    return estimated_statistics(net, x.split(BATCH)) if statistics_remember_start(net) else nullcontext()


def elasticities(net: nn.Module, train_x: Tensor, probe: Part, steps: int) -> dict[str, dict[str, float]]:
    """Of the kernel of the probe's images in float64, and of steps at the first `steps` of them."""
    with with_statistics(net, train_x):
        exact = copy.deepcopy(net).double().eval()
    x = probe.x.double()
    moved = step_elasticity(exact, x[:steps], probe.labels[:steps])
    return {"kernel": shown(elasticity(ntk(exact, x, outputs=0), probe.labels)), "step": shown(moved)}


def shown(e: Elasticity) -> dict[str, float]:
    """same, different, their difference, the ratio, and the ratio of their positive parts, which is at most 1."""
    s, d = max(e.same, 0.0), max(e.different, 0.0)
    cut = s / (s + d) if s + d else math.nan
    return {"same": e.same, "different": e.different, "apart": e.same - e.different, "ratio": e.ratio, "cut": cut}


@torch.no_grad()
def scores(net: nn.Module, part: Part) -> tuple[float, float]:
    """Mean squared error and accuracy; inf and 0 for a network that diverged."""
    f = net(part.x)
    loss = float((f - part.y).square().mean())
    right = float(((f[:, 0] > 0) == part.labels.bool()).double().mean())
    return (loss, right) if loss < math.inf else (math.inf, 0.0)


def trained(
    network: str, pair: str, lr: float, images: int, epochs: int, side: int, seed: int, held: int, probe: int,
    steps: int, device: str,
) -> Measured:  # fmt: skip
    """Elasticities of a network at its start and after training, and what it scores."""
    parts = image_pair(pair, (images, held, max(held, probe)), seed, side)
    train_part, validation, test = (Part(p.x.to(device), p.labels.to(device)) for p in parts)
    net = drawn(network, train_part.x.shape[1:], seed).to(device)
    few = Part(test.x[:probe], test.labels[:probe])
    start = elasticities(net, train_part.x, few, steps)
    train(net, train_part, lr, epochs, seed)
    (loss, _), (_, accuracy) = scores(net, validation), scores(net, test)
    if loss == math.inf:
        return {"validation": loss, "accuracy": accuracy, "start": start}
    end = elasticities(net, train_part.x, few, steps)
    gains = {f"{key} gain": end["kernel"][key] - start["kernel"][key] for key in ("ratio", "cut", "apart")}
    gains["step gain"] = end["step"]["ratio"] - start["step"]["ratio"]
    return {"validation": loss, "accuracy": accuracy, "start": start, "end": end, **gains}

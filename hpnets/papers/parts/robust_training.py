"""Training small networks of two classes, clean or adversarial, with their accuracy under attack along the way."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.attacks import attack, losses, perturb
from hpnets.ntk import ntk
from hpnets.ntk.metrics import distance, polar_angle, polar_radius
from hpnets.options import AttackOptions
from hpnets.papers.parts.boxed_pairs import BoxedPair, BoxedPart
from hpnets.papers.parts.feature_machines import accuracies, centred, top_mass
from hpnets.study import Results
from hpnets.study.charts import band, categories

Measured = dict[str, Any]
BATCH, PROBE = 50, 200
# The steps of the attack in training, and of that by which networks are judged.
INNER, OUTER = 5, 10


def train_and_attack(
    net: nn.Module, pair: BoxedPair, eps: float, lr: float, epochs: list[int], seed: int, adversarial: bool = False
) -> Measured:
    """Adam in float32 on the cross-entropy of +-f, a clean step and, if `adversarial`, one on attacked samples.

    At each of the ascending `epochs`: "validation" (loss), "validation accuracy", "clean" and "robust" test accuracy.
    """
    optimizer = torch.optim.Adam(net.parameters(), lr)
    g, made, done = torch.Generator().manual_seed(seed), dict[str, list[float]](), 0
    for epoch in epochs:
        for _ in range(epoch - done):
            train_epoch(net, pair, optimizer, eps if adversarial else 0.0, g)
        done = epoch
        for key, value in judged(net, pair, eps, seed).items():
            made.setdefault(key, []).append(value)
    return made


def train_epoch(net: nn.Module, pair: BoxedPair, optimizer: Any, eps: float, generator: torch.Generator) -> None:
    """One pass over the samples, in random batches."""
    x, y = pair.train.x.float(), pair.train.y
    for rows in torch.randperm(len(x), generator=generator).split(BATCH):
        step(net, x[rows], y[rows], optimizer)
        if eps:
            options = AttackOptions(eps, steps=INNER, step_size=0.5, seed=int(rows[0]))
            step(net, perturb(net, x[rows], y[rows], pair.box, options), y[rows], optimizer)


def step(net: nn.Module, x: Tensor, y: Tensor, optimizer: Any) -> None:
    """One step on the cross-entropy."""
    optimizer.zero_grad()
    losses("cross_entropy", net(x), y).mean().backward()
    optimizer.step()


def judged(net: nn.Module, pair: BoxedPair, eps: float, seed: int) -> dict[str, float]:
    """Validation and test numbers of a network."""
    with torch.no_grad():
        f = net(pair.validation.x.float())
    loss = float(losses("cross_entropy", f, pair.validation.y).mean())
    right = float(((f[:, 0] > 0) == (pair.validation.y > 0)).double().mean())
    test = accuracies(net, single(pair.test), pair.box, eps, OUTER, seed)
    return {"validation": loss, "validation accuracy": right, "clean": test["clean"], "robust": test["robust"]}


def attacked_by(net: nn.Module, machine: Any, pair: BoxedPair, eps: float, seed: int) -> dict[str, float]:
    """The accuracy of a network: clean, under noise, at the worst points of a machine, and under pgd on itself."""
    of = accuracies(net, single(pair.test), pair.box, eps, OUTER, seed)
    worst = attack(machine, pair.test.x, pair.test.y, pair.box, AttackOptions(eps, steps=OUTER, seed=seed)).x
    with torch.no_grad():
        right = (net(worst.float())[:, 0] > 0) == (pair.test.y > 0)
    white = of.pop("robust")
    return {**of, "ntk": float(right.double().mean()), "white": white}


class Track:
    """The kernel of a network on PROBE training samples, as it moves."""

    def __init__(self, pair: BoxedPair) -> None:
        every = len(pair.train.x) // min(PROBE, len(pair.train.x))
        self.x, self.kernels = pair.train.x[::every].float(), list[Tensor]()

    def measure(self, net: nn.Module) -> None:
        """Keep the kernel."""
        self.kernels.append(ntk(net, self.x, outputs="trace").double().cpu())

    def numbers(self) -> dict[str, Any]:
        """Top-20 mass, raw and centred, at each time, and how far, by which angle and radius the kernel went."""
        K, H = self.kernels, [centred(K) for K in self.kernels]
        made: dict[str, Any] = {"mass": [*map(top_mass, K)], "centred mass": [*map(top_mass, H)]}
        for name, of in (("", K), ("centred ", H)):
            made[f"{name}distance"] = [distance(k, of[0]) for k in of]
            made[f"{name}angle"] = [polar_angle(k, of[0]) for k in of]
            made[f"{name}radius"] = [polar_radius(k, of[0], of[-1]) for k in of]
        return made


def single(part: BoxedPart) -> BoxedPart:
    """The same in float32."""
    return BoxedPart(part.x.float(), part.y)


def draw_kernels(tracks: Results, epochs: Sequence[int], axes: list[Any]) -> None:
    """Draw how concentrated centred kernels are, and how far on their way, over epochs."""
    parts = tracks.split("network", "adversarial")
    for ((network, adversarial), of), style in zip(parts.items(), categories(list(parts)).values(), strict=True):
        label = f"{network}{', adversarial' if adversarial else ''}"
        for a, key in zip(axes, ("centred mass", "centred radius"), strict=True):
            band(a, [0, *epochs], of.values(key), label, style)
    axes[0].set(title="concentration", xlabel="epoch", ylabel="top-20 mass of HKH")
    axes[1].set(title="polar radius", xlabel="epoch", ylabel="|K_t - K_0| / |K_T - K_0| of HKH")

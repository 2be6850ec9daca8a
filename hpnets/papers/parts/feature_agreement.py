"""What kernels of different networks share: top eigenspaces, and the points that attacks find."""

from typing import Any

import torch
from torch import Tensor

from hpnets.attacks import attack
from hpnets.options import AttackOptions
from hpnets.papers.parts.boxed_pairs import BoxedPair
from hpnets.papers.parts.feature_machines import TOP, Kernel, accuracies, centred
from hpnets.statistics import spread
from hpnets.study import Results


def compared(kernels: dict[str, Kernel], pair: BoxedPair, eps: float, steps: int, seed: int) -> dict[str, Any]:
    """ "noise" by kernel; "attacked" by "one by other"; "overlap", "centred overlap" by "one, other"; "chance".

    Accuracies are of the machine of one, under noise and at the worst points of the machine of the other.
    """
    options = AttackOptions(eps, steps=steps, seed=seed)
    machines = {name: kernel.machine(kernel.features.coefficients()) for name, kernel in kernels.items()}
    points = {name: attack(f, pair.test.x, pair.test.y, pair.box, options).x for name, f in machines.items()}
    made: dict[str, Any] = {"noise": {}, "attacked": {}, "overlap": {}, "centred overlap": {}}
    for i, (name, f) in enumerate(machines.items()):
        made["noise"][name] = accuracies(f, pair.test, pair.box, eps, 1, seed)["noise"]
        for j, (other, at) in enumerate(points.items()):
            made["attacked"][f"{name} by {other}"] = right(f(at), pair.test.y)
            if i < j:
                K, L = kernels[name].K, kernels[other].K
                made["overlap"][f"{name}, {other}"] = overlap(K, L)
                made["centred overlap"][f"{name}, {other}"] = overlap(centred(K), centred(L))
    return {**made, "chance": TOP / len(pair.train.x)}


def right(f: Tensor, y: Tensor) -> float:
    """The share of samples on whose side f (N, 1) is."""
    return float(((f[:, 0] > 0) == (y > 0)).double().mean())


def overlap(K_1: Tensor, K_2: Tensor, k: int = TOP) -> float:
    """|V_1^T V_2|_F^2 / k of the top k eigenvectors: 1 for one space, k / N by chance."""
    V = [torch.linalg.eigh(K).eigenvectors[:, -k:] for K in (K_1, K_2)]
    return float((V[0].T @ V[1]).square().sum() / k)


def shared_rows(of: Results) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A row for each two kernels."""
    rows = []
    for pair in of.items[0].at("overlap"):
        one, other = pair.split(", ")
        attacked = (of.values("attacked", f"{a} by {b}") for a, b in ((one, other), (other, one)))
        plain = (of.values(key, pair) for key in ("overlap", "centred overlap"))
        rows.append((one, other, *(spread(v, ".2g") for v in (*plain, of.values("chance"), *attacked))))
    head = (
        "one",
        "other",
        "overlap of the top 20",
        "centred",
        "by chance",
        "one, other's attack",
        "other, one's attack",
    )
    return head, tuple(rows)

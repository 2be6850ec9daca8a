"""How networks and their kernels evolve when they are trained on clean and on attacked images, and their pictures."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hpnets.ntk.metrics import distance
from hpnets.papers.parts.attacked_training import (
    ATTACKED,
    CLEAN,
    DYNAMICS,
    accuracies,
    centred,
    draw,
    images,
    kernel,
    moved,
    on_frozen,
    training,
)
from hpnets.study import Results
from hpnets.study.charts import band, categories

CENTRED = "centred/clean"
OVER = {"robust": "accuracy under attack", "c-distance": "distance of the centred kernel", "rank": "effective rank"}


def evolve(
    network: str, task: str, side: int, number: int, held: int, eps: float, lr: float, epochs: int, measured: list[int],
    frozen: list[int], frozen_epochs: int, seed: int, device: str,
) -> dict[str, Any]:  # fmt: skip
    """One start trained twice, on clean and on attacked images, each as `follow` measures it.

    "apart": the distance of the two centred kernels at each measurement; "validation": the errors that rates are
    chosen by, on clean images and under attack.
    """
    data, made = images(task, side, number, held, seed, device), dict[str, Any]()
    kernels: dict[str, list[Tensor]] = {}
    for on in (CLEAN, ATTACKED):
        net = draw(network, side, seed, device)
        kernels[on], made[on] = [], {"frozen": {}}
        for epoch in training(net, data, on, eps, lr, epochs, seed):
            if epoch in measured:
                kernels[on].append(kernel(net, data))
                add(
                    made[on],
                    {**accuracies(net, data.test, data.box, eps), **moved(kernels[on][-1], kernels[on][0], data)},
                )
            if epoch in frozen:
                ways = DYNAMICS if epoch == epochs else (CENTRED,)
                learnt = on_frozen(net, data, eps, frozen_epochs, seed, ways)
                made[on]["frozen"][str(epoch)] = learnt
        of = accuracies(net, data.validation, data.box, eps)
        made.setdefault("validation", {})[on] = 1 - of["clean" if on == CLEAN else "robust"]
        made[on]["last"] = {name: values[-1] for name, values in made[on].items() if isinstance(values, list)}
    pairs = zip(kernels[CLEAN], kernels[ATTACKED], strict=True)
    return {**made, "apart": [distance(centred(a), centred(b)) for a, b in pairs]}


def add(lists: dict[str, Any], values: dict[str, float]) -> None:
    """Append each value to the list of its name."""
    for name, value in values.items():
        lists.setdefault(name, []).append(value)


def frozen(epoch: int, way: str) -> tuple[str, ...]:
    """The path to the accuracy under attack of a linearised network."""
    return ("frozen", str(epoch), way, "robust")


def draw_epochs(conv: Results, measured: Sequence[int], axes: list[Any]) -> None:
    """Draw each quantity of OVER over the epochs, after clean and after attacked training."""
    for a, (name, label) in zip(axes, OVER.items(), strict=True):
        for on, style in categories((CLEAN, ATTACKED)).items():
            band(a, measured, conv.values(on, name), f"{on} training", style)
        a.set(xlabel="epochs", ylabel=label, xscale="symlog")
        ticks(a, measured)


def draw_frozen(conv: Results, axes: list[Any]) -> None:
    """Draw the accuracy under attack on frozen kernels over the epochs before they are frozen."""
    epochs = sorted(int(t) for t in conv.items[0].at(ATTACKED, "frozen"))
    for on, style in categories((CLEAN, ATTACKED)).items():
        curves = zip(*(conv.values(on, *frozen(t, CENTRED)) for t in epochs), strict=True)
        band(axes[0], epochs, list(curves), f"kernel of {on} training", style)
    axes[0].set(xlabel="t, epochs before the kernel is frozen", ylabel="accuracy under attack", xscale="symlog")
    ticks(axes[0], epochs)


def ticks(axes: Any, epochs: Sequence[int]) -> None:
    """A tick at each epoch; the axis is linear up to 1 and logarithmic beyond."""
    axes.set_xticks(epochs, [str(epoch) for epoch in epochs])
    axes.set_xticks([], minor=True)

"""The claims of the study of kernels under adversarial training."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.adversarial_evolution.sizes import Sizes
from hpnets.papers.parts.attacked_evolution import CENTRED, evolve, frozen
from hpnets.papers.parts.attacked_training import ATTACKED, CLEAN
from hpnets.statistics import mean, spread
from hpnets.study import Above, Below, Claim, Paired, Results, paired_difference

Quantities = dict[str, Any]
GAP, NET_LESS = "robust accuracy, attacked less clean training", "robust accuracy less the network's own"
LEAST_GAP = "the least mean of them"
RATIO, RANKS = "c-distance, attacked over clean training", "rank, attacked over clean training"
FAR, EARLY = "distance, attacked over clean training", "share of the last distance apart"
KEPT, EXACT = "robust accuracy, attacked kernel less clean kernel", "largest difference at d = 0"
FIRST, LATE = "gained by epoch 5", "gained after epoch 10"
ALIGNED, SLOWER = "alignment, attacked less clean training", "velocity after epoch 10 over that before"
LESS = "network less twin"
ABSTRACT, OURS = "abstract: the statement is ours", "asked of products by us"
C_DISTANCE = "1 - <HKH, HK_0H> / (|HKH| |HK_0H|)"
CENTRED_CLEAN = "f = J(theta_t) d, trained on clean images"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*evolution_claims(sizes), *frozen_claims(sizes), *product_claims(sizes)]


def evolution_claims(sizes: Sizes) -> list[Claim]:
    """Of a convolutional network and an mlp, and how their kernels move."""
    paper = partial(Claim, where=ABSTRACT, seeds=sizes.seeds)
    on = {"conv": sizes.task, "mlp": "digits"}
    after = {"conv": sizes.epochs, "mlp": sizes.digits_epochs}
    made = [
        paper(
            "Training on attacked images makes networks robust to attacks of that radius",
            partial(gaps, of=[*on.items()]),
            Above(LEAST_GAP, 0.3),
            formula="1 - share of images with a misclassified point within eps",
        ),
        paper(
            f"Attacked training takes the centred kernel further from its start (conv, {sizes.epochs} epochs)",
            partial(ratios, network="conv", task=sizes.task, name="c-distance", shown=RATIO),
            Above(RATIO, 1.7).contradicted_if(Below(RATIO, 1)),
            formula=C_DISTANCE,
        ),
    ]
    for network, task in on.items():
        where = f"{network}, {after[network]} epochs"
        last: Quantities = {"network": network, "task": task}
        made += [
            paper(
                f"It takes the kernel itself further too ({where})",
                partial(ratios, **last, name="distance", shown=FAR),
                Above(FAR, 2).contradicted_if(Below(FAR, 1)),
                formula="1 - <K, K_0> / (|K| |K_0|)",
            ),
            paper(
                f"The effective rank of its kernel ends higher ({where})",
                partial(ratios, **last, name="rank", shown=RANKS),
                Above(RANKS, 1.5).contradicted_if(Below(RANKS, 1)),
                formula="exp(-sum p log p), p = l / sum l; it falls at first, so never without the epoch",
            ),
        ]
    return [
        *made,
        paper(
            "The two kernels part rapidly: at epoch 5 they are half as far apart as at the end (conv)",
            partial(apart, task=sizes.task, measured=sizes.measured),
            Above(EARLY, 0.5).contradicted_if_reversed(),
            formula="1 - <HKH, HK'H> / (|HKH| |HK'H|), K and K' of the two trainings",
        ),
        paper(
            "The kernel of attacked training is better aligned with the labels (conv)",
            partial(aligned, task=sizes.task),
            Paired(ALIGNED).contradicted_if_reversed(),
            formula="<HKH, HYY^TH> / (|HKH| |HYY^TH|)",
        ),
    ]


def frozen_claims(sizes: Sizes) -> list[Claim]:
    """Of training on frozen kernels."""
    paper = partial(Claim, where=ABSTRACT, seeds=sizes.seeds)
    conv = partial(on_kernels, network="conv", task=sizes.task, epoch=sizes.epochs)
    return [
        paper(
            "Frozen, the kernel of attacked training gives robustness though nothing is attacked any more (conv)",
            conv,
            Above(KEPT, 0.3).contradicted_if(Below(KEPT, 0)),
            formula=CENTRED_CLEAN,
        ),
        paper(
            "Attacked training on that kernel is as robust as the network (conv)",
            conv,
            Above(NET_LESS, -0.02),
            formula="f = J(theta_T) d, trained on attacked images",
        ),
        Claim(
            "A linearised network is the network where it starts",
            partial(exact, networks=("conv", "mlp", *sizes.pairs)),
            Below(EXACT, 1e-5, each=True),
            *("its definition", "f(x; theta_0) + J(x; theta_0) d", sizes.seeds),
        ),
        paper(
            "There are two phases: most of the gain comes while the kernel is fast, and then it is slow (conv)",
            partial(phases, task=sizes.task, measured=sizes.measured),
            Above(FIRST, 0.1) & Below(LATE, 0.1) & Below(SLOWER, 0.5),
            formula=f"{CENTRED_CLEAN}, over t; velocity: distance(K_t, K_0) gained an epoch",
        ),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of products beside their additive twins."""
    pairs = [(network, sizes.task) for network in (*sizes.pairs, *sizes.small_pairs)]
    pairs += [(network, "digits") for network in sizes.pairs if sizes.task != "digits"]
    made, ours = list[Claim](), partial(Claim, where=OURS, seeds=sizes.seeds)
    for network, task in pairs:
        of = partial(paired, network=network, task=task, eps=sizes.eps if task == sizes.task else sizes.digits_eps)
        made += [
            ours(
                f"{network} ends more robust than its additive twin after attacked training ({task})",
                partial(of, on=ATTACKED, name="robust"),
                Paired(LESS).contradicted_if_reversed(),
                formula="robust accuracy; clean accuracy beside it",
            ),
            ours(
                f"The kernel of {network} moves further than its twin's ({task}, attacked training)",
                partial(of, on=ATTACKED, name="c-distance"),
                Paired(LESS).contradicted_if_reversed(),
                formula=C_DISTANCE,
            ),
        ]
    return [
        *made,
        ours(
            f"The kernel of {sizes.pairs[0]} moves further than its twin's ({sizes.task}, clean training)",
            partial(paired, network=sizes.pairs[0], task=sizes.task, eps=sizes.eps, on=CLEAN, name="c-distance"),
            Paired(LESS).contradicted_if_reversed(),
            formula=C_DISTANCE,
        ),
        ours(
            f"A product's kernel keeps more robustness when it is frozen than its twin's ({sizes.pairs[0]})",
            partial(kept, network=sizes.pairs[0], task=sizes.task, epoch=sizes.epochs, eps=sizes.eps),
            Paired(LESS).contradicted_if_reversed(),
            formula=CENTRED_CLEAN,
        ),
    ]


def both(of: Results, *path: str | int) -> list[list[float]]:
    """The numbers at a path after clean and after attacked training, by seed."""
    return [of.values(on, *path) for on in (CLEAN, ATTACKED)]


def gaps(results: Results, of: Sequence[tuple[str, str]]) -> Quantities:
    made: Quantities = {GAP: {}}
    for network, task in of:
        runs = results.of(evolve, network=network, task=task)
        clean, attacked = both(runs, "last", "robust")
        made[GAP][network] = [b - a for a, b in zip(clean, attacked, strict=True)]
        for name in ("clean", "robust"):
            parts = [spread(values) for values in both(runs, "last", name)]
            made[f"{name} accuracy, {network}"] = " -> ".join(parts)
    made[LEAST_GAP] = min(mean(values) for values in made[GAP].values())
    return made


def ratios(results: Results, network: str, task: str, name: str, shown: str) -> Quantities:
    clean, attacked = both(results.of(evolve, network=network, task=task), "last", name)
    return {shown: [b / a for a, b in zip(clean, attacked, strict=True)], CLEAN: clean, ATTACKED: attacked}


def apart(results: Results, task: str, measured: Sequence[int]) -> Quantities:
    by_seed = results.of(evolve, network="conv", task=task).values("apart")
    early = last_by(measured, 5)
    means = {f"epoch {t}": mean(of[k] for of in by_seed) for k, t in enumerate(measured)}
    return {EARLY: [of[early] / of[-1] for of in by_seed], "apart": means}


def last_by(measured: Sequence[int], epoch: int) -> int:
    """The place of the last measurement up to an epoch."""
    return max(k for k, t in enumerate(measured) if t <= epoch)


def aligned(results: Results, task: str) -> Quantities:
    clean, attacked = both(results.of(evolve, network="conv", task=task), "last", "alignment")
    return {ALIGNED: [b - a for a, b in zip(clean, attacked, strict=True)], CLEAN: clean, ATTACKED: attacked}


def on_kernels(results: Results, network: str, task: str, epoch: int) -> Quantities:
    of = results.of(evolve, network=network, task=task)
    clean, attacked = both(of, *frozen(epoch, CENTRED))
    trained, own = (of.values(ATTACKED, *path) for path in (frozen(epoch, "centred/attacked"), ("last", "robust")))
    made: Quantities = {KEPT: [b - a for a, b in zip(clean, attacked, strict=True)]}
    made[NET_LESS] = [a - b for a, b in zip(trained, own, strict=True)]
    return {**made, "clean kernel": clean, "attacked kernel": attacked, "attacked training on it": trained}


def exact(results: Results, networks: Sequence[str]) -> Quantities:
    made = {}
    for network in networks:
        of = results.of(evolve, network=network).values(ATTACKED, "frozen")
        made[network] = max(learnt["gap"] for each in of for learnt in each.values())
    return {EXACT: made}


def phases(results: Results, task: str, measured: Sequence[int]) -> Quantities:
    of = results.of(evolve, network="conv", task=task)
    robust = {int(t): of.values(ATTACKED, *frozen(int(t), CENTRED)) for t in of.items[0].at(ATTACKED, "frozen")}
    epochs = sorted(robust)
    early, late = epochs[last_by(epochs, 5)], epochs[last_by(epochs, 10)]
    moved = [mean(values) for values in zip(*of.values(ATTACKED, "distance"), strict=True)]
    k = last_by(measured, 10) if measured[-1] > 10 else 1
    before = moved[k] / measured[k]
    after = abs(moved[-1] - moved[k]) / (measured[-1] - measured[k])
    differences = {FIRST: (0, early), LATE: (late, epochs[-1])}
    made: Quantities = {
        name: [b - a for a, b in zip(robust[s], robust[t], strict=True)] for name, (s, t) in differences.items()
    }
    return {
        **made,
        SLOWER: after / before,
        "robust": {f"t = {t}": mean(values) for t, values in sorted(robust.items())},
    }


def pair_of(results: Results, network: str, task: str, eps: float) -> tuple[Results, Results]:
    """The runs of a network and of its twin."""
    net, twin = (results.of(evolve, network=name, task=task, eps=eps) for name in (network, f"{network}-sum"))
    return net, twin


def paired(results: Results, network: str, task: str, eps: float, on: str, name: str) -> Quantities:
    pair = pair_of(results, network, task, eps)
    difference, beside = (paired_difference(*pair, (on, "last", n), ("validation", on)) for n in (name, "clean"))
    means = {}
    for word, of, rate in (("network", pair[0], difference.net_rate), ("twin", pair[1], difference.twin_rate)):
        means[word] = spread(of.split("lr")[rate].values(on, "last", name))
    shown = {"clean accuracy, network less twin": str(beside)} if name == "robust" else {}
    return {LESS: difference.differences, "that is": str(difference), **means, **shown}


def kept(results: Results, network: str, task: str, epoch: int, eps: float) -> Quantities:
    pair = pair_of(results, network, task, eps)
    path = frozen(epoch, CENTRED)
    of = {on: paired_difference(*pair, (on, *path), ("validation", on)) for on in (CLEAN, ATTACKED)}
    return {LESS: of[ATTACKED].differences, "attacked kernels": str(of[ATTACKED]), "clean kernels": str(of[CLEAN])}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    conv = results.of(evolve, network="conv", task=sizes.task)
    robust = [100 * mean(values) for values in both(conv, "last", "robust")]
    far = [mean(values) for values in both(conv, "last", "c-distance")]
    rank = [mean(values) for values in both(conv, "last", "rank")]
    kernels = [100 * mean(values) for values in both(conv, *frozen(sizes.epochs, CENTRED))]
    net = sizes.pairs[0]
    moved, robustness = (
        paired(results, net, sizes.task, sizes.eps, ATTACKED, name) for name in ("c-distance", "robust")
    )
    return [
        f"Training on attacked images brings a small convolutional network from {robust[0]:.0f}% to {robust[1]:.0f}% "
        f"accuracy under attack, and its centred kernel to a distance of {far[1]:.2g} from its start, where clean "
        f"training takes it {far[0]:.2g}.",
        f"The effective rank of that kernel ends at {rank[1]:.3g}, beside {rank[0]:.3g} after clean training.",
        f"Frozen, it keeps what it learnt: trained on clean images alone, a network on the kernel of attacked training "
        f"is right on {kernels[1]:.0f}% under attack, on that of clean training on {kernels[0]:.0f}%.",
        f"The kernel of {net} moves by {moved['network']}, that of its additive twin by {moved['twin']}, and under "
        f"attack {net} is right on {robustness['network']}, its twin on {robustness['twin']} of the images.",
    ]

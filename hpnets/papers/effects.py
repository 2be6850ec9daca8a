"""What a product changes in each study: {family: the differences net - additive twin, one a seed}, from its results.

Each raises ValueError or KeyError for results of other sizes than the study's own, or of another version.
"""

import math
from collections.abc import Callable

from hpnets.papers import load_paper
from hpnets.papers.adversarial_evolution import claims as adversarial
from hpnets.papers.complex_nets.cells import witness
from hpnets.papers.curves import claims as curves
from hpnets.papers.extrapolation.cells import fit_lines, fit_sums
from hpnets.papers.label_aware import claims as label_aware
from hpnets.papers.lr_transfer.cells import best_rate
from hpnets.papers.memorisation import claims as memorisation
from hpnets.papers.parts.equal_accuracy import at_equal_accuracy
from hpnets.papers.robust_features import cells as robust_features
from hpnets.papers.thompson_sampling import claims as thompson
from hpnets.statistics import mean
from hpnets.study import Results

Differences = dict[str, list[float]]
OfFamily = Callable[[Results, str], list[float]]


def of_each(measure: OfFamily, **networks: str) -> Callable[[Results], Differences]:
    """The differences of every family that the results hold; networks: the network of each family."""

    def measured(results: Results) -> Differences:
        made = {}
        for family, network in networks.items():
            try:
                made[family] = measure(results, network)
            except (ValueError, KeyError, IndexError, TypeError):  # a family that these sizes lack, another version
                continue
        return made

    return measured


def cubic(results: Results, network: str) -> list[float]:
    """log10 of the relative error outside the interval of the data, of a cubic in one dimension."""
    net, twin = (
        next(r.at("cubic", "outside") for r in results.of(fit_lines, network=name) if "cubic" in r.value)
        for name in (network, f"{network}-sum")
    )
    return [math.log10(a / b) for a, b in zip(net, twin, strict=True)]


def sums(results: Results, network: str) -> list[float]:
    """The share of sums of two digits that are right, held out, the mean over the parts that are held out."""
    folds = results.of(fit_sums).split("fold").values()
    sides = [
        [of.of(fit_sums, network=name).one("held out", "round") for of in folds] for name in (network, f"{network}-sum")
    ]
    net, twin = ([mean(row) for row in zip(*side, strict=True)] for side in sides)
    return [a - b for a, b in zip(net, twin, strict=True)]


def moved_under_attack(results: Results, network: str) -> list[float]:
    """How much further the centred kernel moves in attacked training on fashion_mnist."""
    return _attacked(results, network, "c-distance")


def robust_under_attack(results: Results, network: str) -> list[float]:
    """Robust accuracy after attacked training on fashion_mnist."""
    return _attacked(results, network, "robust")


def _attacked(results: Results, network: str, measured: str) -> list[float]:
    eps = load_paper("adversarial_evolution").sizes.eps  # type: ignore[attr-defined]
    made = adversarial.paired(results, network, "fashion_mnist", eps, "attacked", measured)
    return list(made[adversarial.LESS])


def robust_at_equal_accuracy(results: Results, network: str) -> list[float]:
    """Robust accuracy at equal clean accuracy, the mean over pairs of classes."""
    nets, twins = (results.of(robust_features.trained, network=n).split("data") for n in (network, f"{network}-sum"))
    rows = [[row[0] - row[2] for row in at_equal_accuracy(net, twins[data])] for data, net in nets.items()]
    return [mean(seed) for seed in zip(*rows, strict=True)]


def range_of_rates(results: Results, network: str) -> list[float]:
    """The range of the best rates over widths under mup with SGD, in octaves, each seed at its own best rates."""
    of = (results.of(best_rate, network=n, kind="mup", optimizer="sgd") for n in (network, f"{network}-sum"))
    net, twin = map(_ranges, of)
    return [a - b for a, b in zip(net, twin, strict=True)]


def _ranges(of: Results) -> list[float]:
    best = [[_power(r.at("powers"), losses) for losses in zip(*r.at("loss"), strict=True)] for r in of]
    return [max(powers) - min(powers) for powers in zip(*best, strict=True)]


def _power(powers: list[float], losses: tuple[float, ...]) -> float:
    return min(zip(losses, powers, strict=True), key=lambda pair: pair[0] if math.isfinite(pair[0]) else math.inf)[1]


def seen_phase(results: Results, network: str) -> list[float]:
    """How much w(s) moves with Im <z, z'>: the range of the witness over s."""
    of = (results.of(witness, network=name).by("seed", "values") for name in (network, f"{network}-sum"))
    net, twin = ({seed: max(v) - min(v) for seed, (v,) in each.items()} for each in of)
    return [net[seed] - twin[seed] for seed in net]


def trained_error(results: Results, network: str) -> list[float]:
    """The held-out error on curves after training, in %."""
    return list(curves.trained_gap(results)[curves.GAP])


def regret(results: Results, network: str) -> list[float]:
    """The regret of Thompson sampling on objectives that are interactions alone."""
    return thompson.paired(results, network, 1.0).differences


def elasticity(results: Results, network: str) -> list[float]:
    """The gain of the ratio of local elasticity by training, the mean over pairs of classes."""
    pairs = list(results.of(label_aware.trained, network=network).split("pair"))
    return list(label_aware.product(results, network, pairs)[label_aware.LESS])


def least_parameters(results: Results, network: str) -> list[float]:
    """log2 of the least number of parameters that memorises labels that are noise."""
    sizes = load_paper("memorisation").sizes
    return list(memorisation.gain(results, sizes)[memorisation.GAIN])  # type: ignore[arg-type]


def conditioning(results: Results, network: str) -> list[float]:
    """log10 of lambda_min / lambda_max of the kernel at the start, at equal numbers of parameters."""
    sizes = load_paper("memorisation").sizes
    made = memorisation.conditioned(results, sizes.dim, sizes.ratios[-1])  # type: ignore[attr-defined]
    return [math.log10(ratio) for ratio in made[memorisation.BETTER][network]]

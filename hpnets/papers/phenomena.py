"""The phenomena of the atlas: what a product may change, where it was measured, and the words for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpnets.papers import effects
from hpnets.papers.effects import Differences, of_each
from hpnets.study import Results

TUNED = "one grid of rates for both, chosen on validation"
ONE_RATE = "one rate for both, not tuned"
NO_RATE = "nothing is trained"


@dataclass(frozen=True)
class OfStudy:
    """A phenomenon that a study measured.

    raises, lowers: what a product does, in words, where the difference is above and below 0. rates: how net and twin
    were tuned. claims: words of the claim behind each family's cell.
    """

    name: str
    unit: str
    raises: str
    lowers: str
    study: str
    rates: str
    measure: Callable[[Results], Differences]
    claims: Mapping[str, str]


@dataclass(frozen=True)
class OfZoo:
    """A phenomenon that the zoo measured on a task: `path` leads to {"mean", "std"} in an entry of its index.

    radius: instead, the accuracy under attack of that radius, from robust.json.
    """

    name: str
    unit: str
    raises: str
    lowers: str
    task: str
    path: tuple[str, ...] = ()
    radius: str = ""


def _same(words: str, *families: str) -> dict[str, str]:
    return {family: words.format(family) for family in families}


def _zoo(name: str, unit: str, words: tuple[str, str], task: str, key: str) -> OfZoo:
    return OfZoo(name, f"{unit} ({task})", *words, task, ("twin", "difference", key))


DECAY = ("makes the kernel's spectrum fall faster", "makes the kernel's spectrum fall more slowly")
MOTION = ("makes the kernel turn further", "makes the kernel turn less")
IMAGES, ROBUST = ("is more often right on {}", "is less often right on {}"), ("is more robust", "is less robust")
ATTACKED = ("is more robust after attacked training", "is less robust after attacked training")
EQUAL = ("is more robust at equal accuracy", "is less robust at equal accuracy")


def _accuracy(task: str, words: str) -> OfZoo:
    raises, lowers = (text.format(words) for text in IMAGES)
    return _zoo("accuracy on images", "accuracy", (raises, lowers), task, "test/accuracy")


PHENOMENA: tuple[OfStudy | OfZoo, ...] = (
    OfStudy(
        *("extrapolation", "log10 of the error of a cubic outside the data"),
        *("extrapolates a cubic worse", "extrapolates a cubic better", "extrapolation", ONE_RATE),
        of_each(effects.cubic, ccp="ccp-3", pnn="pnn1-3"),
        {"ccp": "learns the cubic on [-2.5, 2.5]", "pnn": "Without the product (its additive twin) it is linear"},
    ),
    OfStudy(
        *("extrapolation", "share right of digits' sums that were held out"),
        *("is more often right on sums held out", "is less often right on sums held out", "extrapolation"),
        ONE_RATE,
        of_each(effects.sums, pnn="pnn1-4"),
        {"pnn": "Digit sums, low sums held out"},
    ),
    _zoo("spectral bias", "exponent of the spectrum's decay", DECAY, "digits", "decay_exponent"),
    _zoo("kernel motion", "1 - cosine of the kernels at start and end", MOTION, "digits", "cosine_drift"),
    OfStudy(
        *("kernel motion", "1 - cosine, centred kernel, attacked training (fashion_mnist)"),
        *("makes it turn further under attack", "makes it turn less under attack", "adversarial_evolution", TUNED),
        of_each(effects.moved_under_attack, ccp="ccp", pinet="pinet", starnet="starnet"),
        _same("The kernel of {} moves further than its twin's (fashion_mnist, attacked", "ccp", "pinet", "starnet"),
    ),
    OfStudy(
        *("learning-rate transfer", "range of the best rate over widths under mup, octaves"),
        *("makes the best rate move more with width", "makes the best rate move less with width", "lr_transfer"),
        "each at its own best rate of one grid, by training loss",
        of_each(effects.range_of_rates, ccp="ccp-4", pnn_skip="skip-4", pinet="pinet"),
        _same("The best rate of products is the same at every width under mup (SGD)", "ccp", "pnn_skip", "pinet"),
    ),
    OfStudy(
        *("complex reduction", "range of the witness over Im <z, z'>, of complex nets of degree 2"),
        *("makes a complex kernel see Im <z, z'>", "makes a complex kernel see less of Im <z, z'>", "complex_nets"),
        NO_RATE,
        of_each(effects.seen_phase, pnn="none-mult-2", pnn_skip="none-skip-2"),
        {"pnn": "its additive twin does not: none-mult", "pnn_skip": "its additive twin does not: none-skip"},
    ),
    OfStudy(
        *("curves", "held-out error on two curves, %"),
        *("errs more on curves", "errs less on curves", "curves", TUNED),
        of_each(effects.trained_error, pnn="pnn"),
        {"pnn": "errs less than its twin"},
    ),
    OfStudy(
        *("regret", "regret of Thompson sampling where inputs interact"),
        *(
            "raises regret",
            "lowers regret",
            "thompson_sampling",
            "one grid of amplitudes for both, on other objectives",
        ),
        of_each(effects.regret, ccp="ccp", pnn_skip="pnn_skip"),
        _same("A product is the better surrogate than its additive twin where inputs interact", "ccp", "pnn_skip"),
    ),
    OfStudy(
        *("local elasticity", "gain of s / (s + d) by training"),
        *("makes the kernel more locally elastic", "makes the kernel less locally elastic", "label_aware", TUNED),
        of_each(effects.elasticity, ccp="ccp", pinet="pinet", starnet="starnet"),
        _same("more locally elastic than that of its additive twin: {}", "ccp", "pinet", "starnet"),
    ),
    OfZoo("robustness", "accuracy under attack of radius 0.05 (digits)", *ROBUST, "digits", radius="0.05"),
    OfStudy(
        *("robustness", "accuracy under attack after attacked training (fashion_mnist)", *ATTACKED),
        *("adversarial_evolution", TUNED),
        of_each(effects.robust_under_attack, ccp="ccp", pinet="pinet", starnet="starnet"),
        _same("{} ends more robust than its additive twin after attacked training (fashion", "ccp", "pinet", "starnet"),
    ),
    OfStudy(
        *("robustness", "accuracy under attack at equal clean accuracy", *EQUAL, "robust_features", TUNED),
        of_each(effects.robust_at_equal_accuracy, ccp="ccp-3-none", pnn_skip="skip-2-relu", pinet="pinet"),
        {
            family: f"At equal clean accuracy {network} is more robust than its additive twin"
            for family, network in (("ccp", "ccp-3-none"), ("pnn_skip", "skip-2-relu"), ("pinet", "pinet"))
        },
    ),
    OfStudy(
        *("memorisation", "log2 of the least number of parameters that memorises noise"),
        *("needs more parameters to memorise", "memorises with fewer parameters", "memorisation"),
        "each at the best of three rates",
        of_each(effects.least_parameters, ccp="ccp-2-relu"),
        {"ccp": "A product memorises with fewer parameters than its additive twin"},
    ),
    OfStudy(
        *("memorisation", "log10 of lambda_min / lambda_max of the kernel"),
        *("conditions the kernel better", "conditions the kernel worse", "memorisation", NO_RATE),
        of_each(effects.conditioning, pnn="pnn-2-relu", pnn_skip="skip-2-relu"),
        _same("the kernel of a product is better conditioned than that of its additive twin", "pnn", "pnn_skip"),
    ),
    _accuracy("digits", "digits"),
    _accuracy("fashion_mnist", "Fashion-MNIST"),
)


def claim_number(claims: list[dict[str, Any]], words: str) -> int | None:
    """The number, from 1, of the first claim whose statement holds these words; None if there is none."""
    return next((i for i, claim in enumerate(claims, 1) if words in claim["says"]), None)

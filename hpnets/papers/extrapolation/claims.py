"""The claims of the extrapolation study."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from hpnets.papers.extrapolation import cells
from hpnets.papers.extrapolation.cells import FASTER_LR, SCALAR, STATED_BATCH, STATED_LR, STATED_POINTS, fit_lines
from hpnets.papers.extrapolation.sizes import Sizes
from hpnets.papers.parts.boxes import fits, mean_errors, polynomials
from hpnets.papers.parts.networks import degree_outside, is_twin
from hpnets.statistics import estimate, mean, middle, spread
from hpnets.study import Above, Below, Claim, Less, Paired, Results, labelled

Quantities = dict[str, Any]
# Targets that are even, and no polynomials: a network without activation has a leading term on them if N is even.
EVEN, POLYNOMIAL, OTHER = ("cos2x", "cos", "sqrt"), ("quadratic", "square"), ("l1", "sqrt", "cos")
ERROR, LEARNT, GAP = "RMSE / std(y)", 0.1, "in the gap"
OFF, SHARE = "distance of the fitted degree (targets with a leading term)", "greatest share of the MLP's error"
BETTER, ROUND, TWIN = "share of fits below the MLP's error", "round, pnn1-4 less mlp", "round, pnn1-4 less its twin"
AS_STATED = """{target}: {net} of width 1 learns it as stated: Adam {lr:g}, weight decay 1e-3, batch {batch}, {epochs} \
epochs (of {points:,} points, a number that we chose and from which the verdict follows: in {steps} steps Adam moves a \
weight by about {moved:.3f})"""


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    made = [*degree_claims(sizes), *line_claims(sizes), *box_claims(sizes), *direction_claims(sizes)]
    return made + [sum_claim(sizes, fold) for fold in sizes.folds]


def degree_claims(sizes: Sizes) -> list[Claim]:
    """Of the degree of f(t v) for large t."""
    degree = partial(Claim, where="theorems on extrapolation", formula="|f(t v)| ~ t^N", seeds=sizes.seeds)
    criterion = Below(OFF, 0.05, each=True).contradicted_if(Above(OFF, 0.5))
    kinds: dict[str, Callable[[str], bool]] = {
        "Far outside, a ReLU MLP is linear": lambda net: net == "mlp",
        "Far outside, a network of N Hadamard factors is a polynomial of degree N (pnn-N is homogeneous, so exactly of "
        "degree N, trained or not)": lambda net: net[-1].isdigit(),
        "Without the product (its additive twin) it is linear": is_twin,
    }
    return [degree(says, partial(degrees, chosen=kind), criterion) for says, kind in kinds.items()]


def line_claims(sizes: Sizes) -> list[Claim]:
    """Of functions of one variable."""
    line = partial(Claim, where="experiments in one dimension", formula=ERROR, seeds=sizes.seeds)
    at_once = Below(f"inside, lr {STATED_LR:g}, {sizes.paper_epochs[0]} epochs", LEARNT)
    return [
        line(
            "A polynomial net of degree 3 learns the cubic on [-2.5, 2.5] and extrapolates to [-5, 5]; an MLP does not",
            partial(outside, target="cubic", networks=("ccp-3", "mlp")),
            (Below("ccp-3", 0.05) & Above("mlp", 0.3)).contradicted_if(Less("mlp", "ccp-3")),
        ),
        *(
            line(stated(sizes, *pair), partial(stated_setting, target=pair[0], network=pair[1]), at_once)
            for pair in cells.STATED.items()
        ),
        line(
            "cos 2x, trained on +-3 pi/4: a polynomial net of degree 10 extrapolates to +-3 pi/2 better than an MLP",
            cosine,
            Less("ccp-10", "mlp").contradicted_if_reversed(),
        ),
    ]


def stated(sizes: Sizes, target: str, net: str) -> str:
    """The setting of the paper's code, and what it allows Adam to do."""
    epochs = sizes.paper_epochs[0]
    steps = epochs * STATED_POINTS // STATED_BATCH
    setting = {"lr": STATED_LR, "batch": STATED_BATCH, "epochs": epochs, "points": STATED_POINTS}
    return AS_STATED.format(target=target, net=net, steps=steps, moved=steps * STATED_LR, **setting)


def box_claims(sizes: Sizes) -> list[Claim]:
    """Of functions of several variables."""
    box = partial(Claim, where="experiments in 1, 2 and 8 dimensions", formula=ERROR, seeds=sizes.seeds)
    return [
        box(
            "Quadratic targets are extrapolated by networks of degree 2 and not by an MLP",
            quadratic,
            Below(SHARE, 1 / 3, each=True).contradicted_if_reversed(),
        ),
        box(
            "Product networks fit more complicated functions outside than MLPs: sum |x|, sum sqrt|x|, sum cos(pi x)",
            others,
            Above(BETTER, 1 / 2).contradicted_if(Below(BETTER, 1 / 4)),
        ),
    ]


def direction_claims(sizes: Sizes) -> list[Claim]:
    """Of data that lack directions."""
    gap = partial(Claim, where="experiments with a missing direction, |x| = 2", formula=ERROR, seeds=sizes.seeds)
    wide, criterion = sizes.sectors[-1], Less("all directions", GAP, 3).contradicted_if(Less(GAP, "all directions"))
    says = f"{{1}} extrapolates a {{0}} target only if the data cover all directions ({wide} degrees missing)"
    pairs = (("linear", "mlp"), ("quadratic", "pnn-2"))
    return [gap(says.format(*pair), partial(sector, wide=wide, pair=pair), criterion) for pair in pairs]


def sum_claim(sizes: Sizes, fold: str) -> Claim:
    """Of sums of two digits."""
    return Claim(
        f"Digit sums, {fold} sums held out: a PNN of degree 4 is right more often than an MLP (whether by its product: "
        "see the twin)",
        partial(sum_gaps, fold=fold),
        Paired(ROUND).contradicted_if_reversed(),
        *("experiments on arithmetic", "round(f(x_1, x_2)) = s_1 + s_2", sizes.seeds),
    )


def degrees(results: Results, chosen: Callable[[str], bool]) -> Quantities:
    """Degrees outside beside the architecture's: pnn-N is homogeneous, so exactly of degree N, trained or not."""
    made: dict[str, list[float]] = {"clear": [], "faint": [], "none": []}
    for _, net, target, got in fits(results.of(fit_lines)):
        if chosen(net):
            made[leading(net, target)] += [abs(d - degree_outside(net)) for d in got["degree"] if math.isfinite(d)]
    faint = {"for ccp of odd N on even targets, at most": max(made["faint"])} if made["faint"] else {}
    return {OFF: made["clear"], "greatest": max(made["clear"]), "fits": len(made["clear"]), **faint}


def leading(network: str, target: str) -> str:
    """Whether the leading term of the fit is "clear", "faint" (odd N, even target), or "none" (a target of lower N)."""
    if network.startswith("ccp") and target not in EVEN:
        return "none"
    return "faint" if network.startswith("ccp") and not is_twin(network) and degree_outside(network) % 2 else "clear"


def outside(results: Results, target: str, networks: tuple[str, ...]) -> Quantities:
    """By network, the error of each seed outside its interval, d = 1."""
    of = results.of(fit_lines, dim=1, targets=SCALAR).by("network", target, "outside")
    return {network: of[network][0] for network in networks}


def stated_setting(results: Results, target: str, network: str) -> Quantities:
    runs = results.of(cells.paper_setting, target=target, network=network)
    made: Quantities = {}
    for r in runs:
        name = f"lr {r.options['lr']:g}, {r.options['epochs']} epochs"
        made |= {f"{part}, {name}": r.value[part] for part in ("inside", "outside")}
    inside, out = (runs.of(cells.paper_setting, lr=FASTER_LR).one(part) for part in ("inside", "outside"))
    learnt = f"{sum(error < LEARNT for error in inside)} of {len(inside)} seeds below {LEARNT:g} inside"
    medians = f"{learnt}, {middle(inside)} inside, {middle(out)} outside"
    return {"inside, at first": runs.items[0].at("before"), **made, f"median (range), lr {FASTER_LR:g}": medians}


def cosine(results: Results) -> Quantities:
    errors = outside(results, "cos2x", ("ccp-10", "mlp"))
    nearest = results.of(polynomials).one("cos2x", "10")
    medians = {f"{net}, median (range)": middle(values) for net, values in errors.items()}
    return {**errors, **medians, **{f"least-squares polynomial of degree 10, {k}": v for k, v in nearest.items()}}


def quadratic(results: Results) -> Quantities:
    errors = mean_errors(results.of(fit_lines), POLYNOMIAL)
    # In one dimension the two targets are one.
    errors |= {(1, net, "quadratic"): e for (dim, net, _), e in errors.items() if dim == 1}
    dims = sorted({dim for dim, *_ in errors})
    made = {
        f"{net}, {pick.__name__} of the two targets": labelled(
            "d", {d: pick(errors[d, net, t] for t in POLYNOMIAL) for d in dims}
        )
        for net, pick in (("ccp-2", max), ("pnn-2", max), ("mlp", min))
    }
    keys = [(d, t) for d in dims for t in POLYNOMIAL]
    return {
        SHARE: [max(errors[d, net, t] / errors[d, "mlp", t] for d, t in keys) for net in ("ccp-2", "pnn-2")],
        **made,
    }


def others(results: Results) -> Quantities:
    errors = mean_errors(results.of(fit_lines), OTHER)
    products = [key for key in errors if key[1][-1].isdigit()]
    better = [f"{net} on {t} (d = {d})" for d, net, t in products if errors[d, net, t] < errors[d, "mlp", t]]
    listed = f"{len(better)} of {len(products)}, {', '.join(better[:6])}"
    return {BETTER: len(better) / len(products), "that is": listed}


def sector(results: Results, wide: int, pair: tuple[str, str]) -> Quantities:
    of = results.of(cells.missing_sector, target=pair[0], network=pair[1]).split("missing")
    gap = of[wide].one()
    return {"all directions": of[0].one("covered"), GAP: gap["missing"], "in the rest": gap["covered"]}


def sum_gaps(results: Results, fold: str) -> Quantities:
    of = {r.options["network"]: r.value["held out"] for r in results.of(cells.fit_sums, fold=fold)}
    pairs = ((ROUND, "mlp"), (TWIN, "pnn1-4-sum"))
    gaps = {key: [a - b for a, b in zip(of["pnn1-4"]["round"], of[net]["round"], strict=True)] for key, net in pairs}
    verdict = Paired(TWIN).contradicted_if_reversed().decide(gaps)
    words = {"reproduced": "the product helps", "contradicted": "the twin is better"}
    judged = words.get(verdict, "no difference that the product makes")
    rights = {f"{metric}, {net}": of[net][metric] for metric in of["mlp"] for net in ("pnn1-4", "mlp")}
    twin = f"{estimate(gaps[TWIN], '.3f')}, {judged} (at one rate, not tuned)"
    return {ROUND: gaps[ROUND], TWIN: twin, **rights}


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    cubic = [f"{mean(e):.2g}" for e in outside(results, "cubic", ("ccp-3", "ccp-3-sum", "mlp")).values()]
    cos = [middle(errors) for errors in outside(results, "cos2x", ("ccp-10", "mlp")).values()]
    gap = spread(sector(results, sizes.sectors[-1], ("quadratic", "pnn-2"))[GAP], ".2g")
    return [
        "Far outside their data, networks of N Hadamard factors are polynomials of degree N, and MLPs and the additive "
        "twins, which add where the networks multiply, are linear.",
        "So a polynomial net of degree 3 extrapolates a cubic to twice its interval with a relative error of "
        f"{cubic[0]}, its additive twin with {cubic[1]} and an MLP with {cubic[2]}.",
        f"A degree that fits inside need not help outside: on cos 2x a net of degree 10 is off by {cos[0]}, an MLP by "
        f"{cos[1]} (median and range over seeds, in standard deviations of y).",
        "A direction that the data lack is not extrapolated, product or not: on a quadratic `pnn-2` has a relative "
        f"error of {gap} where {sizes.sectors[-1]} degrees are missing.",
    ]

"""The claims of the study of robust features."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hpnets.papers.parts.equal_accuracy import at_best_rate, at_equal_accuracy
from hpnets.papers.parts.feature_tables import group_means
from hpnets.papers.robust_features.cells import agreement, by_kernels, machine, moved, trained
from hpnets.papers.robust_features.sizes import Sizes, twin_of
from hpnets.statistics import mean
from hpnets.study import Above, Below, Claim, Paired, Results

Quantities = dict[str, Any]
HIGH, LOW = "0-4", "20-59"
RATIO, MARGIN = "robust accuracy of features 0-4 over 20-59", "attacked margin, features 0-4 less 20-59"
SUM, SLOPE = "|f - sum f_i| / |f| over the condition", "|gradient - difference| / |difference|"
GAINED, PAID = "robust accuracy, top 20 less all", "clean accuracy, all less top 20"
GAP = "accuracy, noise less kernel's attack"
SIDES = "robust / clean / twin's robust / clean"
SHARED, CROSS = "centred overlap of the top 20 over chance", "accuracy, noise less the other kernel's attack"
EQUAL = "robust accuracy at equal clean, product less twin"
MASS, RADIUS = "centred top-20 mass, adversarial less clean", "polar radius at half of the epochs, that less clean"
OURS = "asked of products by us"


def claims(sizes: Sizes) -> list[Claim]:
    """Every statement."""
    return [*kernel_claims(sizes), *network_claims(sizes), *product_claims(sizes)]


def kernel_claims(sizes: Sizes) -> list[Claim]:
    """Of machines and their features."""
    paper = partial(Claim, where="its section on features", seeds=sizes.seeds)
    mlp, f_i = sizes.limits[:1], "f_i = K(x, X) v_i l_i^-1 v_i^T y"
    top = Above(GAINED, 0.2, each=True) & Below(PAID, 0.06)
    return [
        paper(
            "The features of the five largest eigenvalues are at least 5 times as robust as those of ranks 20 to 59 "
            "(limit kernel of an MLP)",
            partial(ranked, networks=mlp, limits=True),
            Above(RATIO, 5, each=True) & Above(MARGIN, 0),
            formula=f_i,
        ),
        paper(
            "The top 20 features alone are a robust machine that is nearly as accurate",
            partial(truncated, networks=mlp),
            top,
            formula="sum_(i < 20) f_i",
        ),
        paper(
            "All feature models add up to the machine, and its gradient is exact",
            exact,
            Below(SUM, 1e-12, each=True) & Below(SLOPE, 1e-4, each=True),
            formula="sum_i f_i = f; df/dx = d K(x, X)/dx c",
        ),
        paper(
            "Features are those of the data: kernels of different architectures share them, and attacks transfer",
            shared,
            Above(SHARED, 5) & Above(CROSS, 0.2),
            formula="|V_1^T V_2|^2 / 20 against 20 / N",
            where="its section on transfer",
        ),
    ]


def network_claims(sizes: Sizes) -> list[Claim]:
    """Of trained networks: attacked by kernels, and their kernels under adversarial training."""
    paper = partial(Claim, where="its section on transfer", seeds=sizes.seeds)
    kernels = partial(paper, where="its section on kernels in training", seeds=sizes.seeds)
    fools = "An attack on the limit kernel, which sees no weights, fools the trained network"
    gap, formula = partial(fooled, network=sizes.attacked[0]), "accuracy under noise less that at the attack's points"
    mass = "Adversarial training concentrates the kernel in its top directions more than clean training does"
    lazy = "In adversarial training the kernel settles earlier than in clean training"
    return [
        paper(f"{fools} (MLP of width {sizes.wide}; on average over pairs)", gap, Above(GAP, 0.25), formula=formula),
        paper(f"{fools}, on every pair", gap, Above(GAP, 0.25, each=True), formula=formula),
        kernels(mass, partial(kernel_moves, key="centred mass"), Paired(MASS), formula="sum_(i<20) l_i^2 / |HKH|^2"),
        kernels(lazy, partial(kernel_moves, key="centred radius"), Paired(RADIUS), formula="|K_t - K_0| / |K_T - K_0|"),
    ]


def product_claims(sizes: Sizes) -> list[Claim]:
    """Of Hadamard nets."""
    ours = partial(Claim, where=OURS, seeds=sizes.seeds)
    limits = [name for name in sizes.limits[1:] if not name.endswith("-sum")]
    finite = [name for name in sizes.finite if name != "mlp-relu"]
    ratio = Above(RATIO, 5, each=True)
    same, how = "Robust features are those of the top eigenvalues in products too", "as above"
    made = [
        ours(f"{same}: limit kernels", partial(ranked, networks=limits, limits=True), ratio, formula=how),
        ours(f"{same}: finite networks", partial(ranked, networks=finite, limits=False), ratio, formula=how),
    ]
    for product in sizes.products:
        says = f"At equal clean accuracy {product} is more robust than its additive twin"
        formula = "robust accuracy at the first epoch with the same validation accuracy"
        at = partial(beside_twin, product=product)
        made.append(ours(says, at, Paired(EQUAL).contradicted_if_reversed(), formula=formula))
    return made


def ranked(results: Results, networks: Sequence[str], limits: bool) -> Quantities:
    """Group means over features and seeds; what is 0 counts as half of one sample."""
    robust, margins = {}, {}
    for (network, width, data), of in results.of(machine).split("network", "width", "data").items():
        if network in networks and limits == (width == 0):
            robust[f"{network}, {data}"] = group_means(of, "robust")
            at = group_means(of, "robust margin")
            margins[f"{network}, {data}"] = at[HIGH] - at[LOW]
    first = results.of(machine).items[0]
    floor = 0.5 / (first.options["test"] * len(first.at("groups", LOW, "rank")))
    ratios = {name: g[HIGH] / max(g[LOW], floor) for name, g in robust.items()}
    shown = {name: f"{g[HIGH]:.2f} and {g[LOW]:.3f}" for name, g in robust.items()}
    return {RATIO: ratios, MARGIN: margins, "robust accuracy": shown}


def truncated(results: Results, networks: Sequence[str]) -> Quantities:
    made: dict[str, dict[str, Any]] = {GAINED: {}, PAID: {}, "robust, top 20": {}, "robust, all": {}}
    for name in networks:
        for data, of in results.of(machine, network=name, width=0).split("data").items():
            top, all_ = ({key: of.values(part, key) for key in ("robust", "clean")} for part in ("top", "whole"))
            made[GAINED][data] = mean(top["robust"]) - mean(all_["robust"])
            made[PAID][data] = mean(all_["clean"]) - mean(top["clean"])
            made["robust, top 20"][data], made["robust, all"][data] = top["robust"], all_["robust"]
    return made


def exact(results: Results) -> Quantities:
    of = results.of(machine)
    return {SUM: max(of.values("sum")), SLOPE: max(of.values("slope"))}


def shared(results: Results) -> Quantities:
    over: dict[str, list[float]] = {}
    gaps: dict[str, list[float]] = {}
    for r in results.of(agreement):
        for pair, value in r.at("centred overlap").items():
            over.setdefault(pair, []).append(value / r.at("chance"))
        for pair, value in r.at("attacked").items():
            name, by = pair.split(" by ")
            if name != by:
                gaps.setdefault(pair, []).append(r.at("noise", name) - value)
    return {SHARED: over, CROSS: gaps}


def fooled(results: Results, network: str) -> Quantities:
    of = results.of(by_kernels, network=network).split("data")
    gaps = {data: mean(part.values("noise")) - mean(part.values("ntk")) for data, part in of.items()}
    return {
        GAP: gaps,
        **{key: {data: part.values(key) for data, part in of.items()} for key in ("clean", "ntk", "white")},
    }


def kernel_moves(results: Results, key: str) -> Quantities:
    """The paired differences over networks and seeds: of the mass at the end, of the radius at half of the epochs."""
    ends: dict[str, list[float]] = {}
    for (network, adversarial), of in results.of(moved).split("network", "adversarial").items():
        at = -1 if key.endswith("mass") else len(of.items[0].at(key)) // 2
        ends[f"{network}{', adversarial' if adversarial else ''}"] = of.values(key, at)
    names = [name for name in ends if "," not in name]
    pairs = [zip(ends[f"{name}, adversarial"], ends[name], strict=True) for name in names]
    return {MASS if key.endswith("mass") else RADIUS: [a - b for pair in pairs for a, b in pair], key: ends}


def beside_twin(results: Results, product: str) -> Quantities:
    made: dict[str, dict[str, Any]] = {EQUAL: {}, SIDES: {}, "rates": {}}
    for data, net in results.of(trained, network=product).split("data").items():
        twin = results.of(trained, network=twin_of(product), data=data)
        rows = at_equal_accuracy(net, twin)
        made[EQUAL][data] = [robust - twins for robust, _, twins, _ in rows]
        made[SIDES][data] = " / ".join(f"{mean(column):.3f}" for column in zip(*rows, strict=True))
        made["rates"][data] = " and ".join(f"{at_best_rate(of).items[0].options['lr']:g}" for of in (net, twin))
    return made


def abstract(results: Results, sizes: Sizes) -> list[str]:
    """Four sentences."""
    mlp, one = sizes.limits[:1], sizes.first
    high, low = ranked(results, mlp, True)["robust accuracy"][f"{mlp[0]}, {one}"].split(" and ")
    top = truncated(results, mlp)
    gaps = fooled(results, sizes.attacked[0])[GAP].values()
    over = [mean(values) for values in shared(results)[SHARED].values()]
    signs = {}
    for product in sizes.products:
        differences = [v for part in beside_twin(results, product)[EQUAL].values() for v in part]
        signs[product] = f"{mean(differences):+.3f} ({product})"
    return [
        f"The features of the five largest eigenvalues of a kernel are robust where others are not: on {one} accuracy "
        f"under attack is {high} on average, that of ranks 20 to 59 {low}.",
        f"The top 20 features alone keep {mean(top['robust, top 20'][one]):.2f} accuracy under attack, the whole "
        f"machine {mean(top['robust, all'][one]):.2f}, for {top[PAID][one]:.2f} of clean accuracy.",
        f"Architectures share these features, {min(over):.1f} to {max(over):.1f} times as much as by chance, and an "
        f"attack that knows the limit kernel alone costs a trained network {min(gaps):.2f} to {max(gaps):.2f}.",
        "At equal clean accuracy a product's accuracy under attack differs from its additive twin's by "
        f"{', '.join(signs.values())}.",
    ]

"""The claims of the extrapolation study."""

import math
import statistics
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from recipes.papers.parts.extrapolation.networks import degree_outside
from recipes.papers.parts.pages import Claim, middle, spread, verdict

if TYPE_CHECKING:
    from recipes.papers.extrapolation import Sizes

Found = dict[str, Any]
# Targets that are even, and no polynomials: a network without activation has a leading term on them if N is even.
EVEN = ("cos2x", "cos", "sqrt")
POLYNOMIAL, OTHER = ("quadratic", "square"), ("l1", "sqrt", "cos")


def claims(found: Found, sizes: "Sizes", n: int) -> list[Claim]:
    """Every statement with what was measured, n seeds."""
    made = [*degree_claims(found, n), cubic_claim(found, n), *paper_claims(found, sizes, n)]
    made += [cos_claim(found, n), polynomial_claim(found, n), other_claim(found, n)]
    return [*made, *sector_claims(found, sizes, n), *sum_claims(found, sizes, n)]


def mean(values: Iterable[float]) -> float:
    """Mean; inf if one is not finite, so that a fit that diverged is never the better one."""
    values = list(values)
    return statistics.fmean(values) if all(map(math.isfinite, values)) else math.inf


def fits(found: Found) -> Iterator[tuple[str, str, str, Found]]:
    """(dim, network, target, what was found) of every fit on a box."""
    for name, cell in found.items():
        kind, _, rest = name.partition("-")
        if kind == "line":
            dim, _, network = rest.partition("-")
            yield from ((dim, network, target, got) for target, got in cell.items())


def degree_claims(found: Found, n: int) -> list[Claim]:
    kinds = {
        "Far outside, a ReLU MLP is linear": lambda name: name == "mlp",
        "Far outside, a network of N Hadamard factors is a polynomial of degree N": lambda name: name[-1].isdigit(),
        "Without the product (its additive twin) it is linear": lambda name: name.endswith("-sum"),
    }
    made = []
    for says, chosen in kinds.items():
        clear, faint = (
            [
                abs(d - degree_outside(network))
                for _, network, target, got in fits(found)
                if chosen(network) and leading(network, target) == kind
                for d in got["degree"]
                if math.isfinite(d)
            ]
            for kind in ("clear", "faint")
        )
        measured = (
            f"fitted degree off by {mean(clear):.2g} on average, {max(clear):.2g} at most, over {len(clear)} fits"
        )
        if faint:
            measured += f"; for ccp of odd N on even targets, whose leading term is nearly 0, {max(faint):.2g} at most"
        seen = verdict(max(clear) < 0.05, mean(clear) > 0.5)
        if "N Hadamard" in says:
            measured += (
                ". Mostly the architecture's doing: pnn-N is homogeneous, so exactly of degree N, trained or not"
            )
        made.append(Claim(says, "every fitted degree within 0.05 (targets with a leading term)", measured, n, seen))
    return made


def leading(network: str, target: str) -> str:
    """Whether the leading term of the fit is "clear", "faint" (odd N, even target), or "none" (a target of lower N)."""
    if not network.startswith("ccp"):
        return "clear"
    if target not in EVEN:
        return "none"
    return "clear" if degree_outside(network) % 2 == 0 or network.endswith("-sum") else "faint"


def cubic_claim(found: Found, n: int) -> Claim:
    ccp, mlp = (found[f"line-1-{net}"]["cubic"]["outside"] for net in ("ccp-3", "mlp"))
    return Claim(
        "A polynomial net of degree 3 learns the cubic on [-2.5, 2.5] and extrapolates it to [-5, 5]; an MLP does not",
        "error outside < 0.05 for ccp-3, > 0.3 for the MLP",
        f"ccp-3 {spread(ccp)}, MLP {spread(mlp)}",
        n,
        verdict(mean(ccp) < 0.05 and mean(mlp) > 0.3, mean(ccp) > mean(mlp)),
    )


def paper_claims(found: Found, sizes: "Sizes", n: int) -> list[Claim]:
    made = []
    for target, network in (("cubic", "ccp-3"), ("cos2x", "ccp-10")):
        got = {epochs: found[f"paper-{target}-{network}-{epochs}"] for epochs in sizes.paper_epochs}
        texts = [
            f"after {e} epochs {spread(g['inside'])} inside, {spread(g['outside'])} outside" for e, g in got.items()
        ]
        first, fast = got[sizes.paper_epochs[0]], found[f"fast-{target}-{network}-{sizes.paper_epochs[-1]}"]
        made.append(
            Claim(
                f"{target}: {network} of width 1 learns it at the stated setting: Adam 1e-4, weight decay 1e-3, "
                "batch 512, 40 epochs (of 2,048 points, a number that we chose)",
                "error inside < 0.1 after 40 epochs",
                f"at init {spread(first['before'])} inside; {'; '.join(texts)}. {moved(sizes.paper_epochs[0])}. "
                f"Adam at 1e-2 instead, {sizes.paper_epochs[-1]} epochs: {learnt(fast)}",
                n,
                verdict(mean(first["inside"]) < 0.1),
            )
        )
    return made


def moved(epochs: int) -> str:
    """How far Adam can move a weight in `epochs` of the stated setting, which is what the verdict follows from."""
    steps = 4 * epochs
    return (
        f"{epochs} epochs of our 2,048 points are {steps} steps, in which Adam at 1e-4 moves a weight by about "
        f"{steps * 1e-4:.3f}: the verdict follows from that number of points"
    )


def learnt(got: Found) -> str:
    """How many seeds end below 0.1 inside, and the errors of all."""
    below = sum(error < 0.1 for error in got["inside"])
    return (
        f"{below} of {len(got['inside'])} seeds below 0.1 inside; median (range) {middle(got['inside'])} inside, "
        f"{middle(got['outside'])} outside"
    )


def cos_claim(found: Found, n: int) -> Claim:
    ccp, mlp = (found[f"line-1-{net}"]["cos2x"]["outside"] for net in ("ccp-10", "mlp"))
    nearest = found["polynomials"]["cos2x"]["10"]
    return Claim(
        "cos 2x, trained on +-3 pi/4: a polynomial net of degree 10 extrapolates to +-3 pi/2 better than an MLP",
        "error outside of ccp-10 below the MLP's",
        f"median (range) over seeds: ccp-10 {middle(ccp)}, MLP {middle(mlp)}; the least-squares polynomial of degree "
        f"10 has {spread(nearest['outside'])} outside and {spread(nearest['inside'])} inside",
        n,
        verdict(mean(ccp) < mean(mlp), mean(ccp) > mean(mlp)),
    )


def polynomial_claim(found: Found, n: int) -> Claim:
    errors = {(dim, net, target): mean(got["outside"]) for dim, net, target, got in fits(found) if target in POLYNOMIAL}
    dims = sorted({dim for dim, *_ in errors}, key=int)
    # In one dimension the two targets are one.
    errors |= {("1", net, "quadratic"): e for (dim, net, _), e in errors.items() if dim == "1"}
    texts, holds = [], []
    for net in ("ccp-2", "pnn-2"):
        worst = {dim: max(errors[dim, net, t] for t in POLYNOMIAL) for dim in dims}
        texts.append(f"{net} " + ", ".join(f"{worst[d]:.2g} (d = {d})" for d in dims))
        holds.append(all(3 * errors[d, net, t] < errors[d, "mlp", t] for d in dims for t in POLYNOMIAL))
    texts.append("MLP " + ", ".join(f"{min(errors[d, 'mlp', t] for t in POLYNOMIAL):.2g} (d = {d})" for d in dims))
    return Claim(
        "Quadratic targets are extrapolated by networks of degree 2 and not by an MLP",
        "error outside below a third of the MLP's, for ccp-2 and pnn-2, in each dimension",
        "greater error of the two targets: " + "; ".join(texts[:2]) + "; least of the " + texts[2],
        n,
        verdict(all(holds), not any(holds)),
    )


def other_claim(found: Found, n: int) -> Claim:
    better, total = [], 0
    errors = {(dim, net, t): mean(got["outside"]) for dim, net, t, got in fits(found) if t in OTHER}
    for dim, net, t in errors:
        if net[-1].isdigit():
            total += 1
            better += [f"{net} on {t} (d = {dim})"] if errors[dim, net, t] < errors[dim, "mlp", t] else []
    shown = f": {', '.join(better[:6])}" if better else ""
    return Claim(
        "Product networks fit more complicated functions outside than MLPs: sum |x|, sum sqrt|x|, sum cos(pi x)",
        "error outside below the MLP's in most of the fits",
        f"in {len(better)} of {total} (network, target, dimension){shown}",
        n,
        verdict(len(better) > total / 2, len(better) < total / 4),
    )


def sector_claims(found: Found, sizes: "Sizes", n: int) -> list[Claim]:
    made = []
    widest = sizes.sectors[-1]
    for target, net in (("linear", "mlp"), ("quadratic", "pnn-2")):
        full, gap = found[f"sector-{target}-{net}-0"], found[f"sector-{target}-{net}-{widest}"]
        made.append(
            Claim(
                f"{net} extrapolates a {target} target only if the training data cover all directions",
                f"with {widest} degrees missing, the error there at |x| = 2 is over 3 times that of full data",
                f"all directions {spread(full['covered'])}; with the gap {spread(gap['missing'])} in it, "
                f"{spread(gap['covered'])} in the rest",
                n,
                verdict(mean(gap["missing"]) > 3 * mean(full["covered"]), mean(gap["missing"]) < mean(full["covered"])),
            )
        )
    return made


def sum_claims(found: Found, sizes: "Sizes", n: int) -> list[Claim]:
    made = []
    for fold in sizes.folds:
        pnn, mlp = (found[f"sums-{fold}-{net}"]["held out"] for net in ("pnn1-4", "mlp"))
        gaps = {m: [a - b for a, b in zip(pnn[m], mlp[m], strict=True)] for m in pnn}
        least = statistics.stdev(gaps["round"]) / len(gaps["round"]) ** 0.5
        twin = [a - b for a, b in zip(pnn["round"], found[f"sums-{fold}-pnn1-4-sum"]["held out"]["round"], strict=True)]
        error = statistics.stdev(twin) / len(twin) ** 0.5
        texts = [f"{m} {spread(pnn[m])} against {spread(mlp[m])}" for m in pnn]
        gap = statistics.fmean(gaps["round"])
        made.append(
            Claim(
                f"Digit sums, {fold} sums held out: a PNN of degree 4 is right more often than an MLP "
                "(whether by its product: see the twin)",
                "round(f) = sum more often, by over two standard errors of the paired difference",
                f"pnn1-4 against MLP: {'; '.join(texts)}. pnn1-4 less its additive twin, round: "
                f"{statistics.fmean(twin):.3f} +- {error:.2g} (standard error), {product_does(twin)}",
                n,
                verdict(gap > 2 * least, gap < -2 * least),
            )
        )
    return made


def product_does(twin: list[float]) -> str:
    """What the product adds, by paired differences to the additive twin and twice their standard error."""
    gap, error = statistics.fmean(twin), statistics.stdev(twin) / len(twin) ** 0.5
    if abs(gap) <= 2 * error:
        return "no difference that the product makes"
    return "the product helps" if gap > 0 else "the twin is better"

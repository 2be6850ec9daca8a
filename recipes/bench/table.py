"""Markdown tables of measured results: targets, seconds by peer, output selections, growth."""

import statistics
from dataclasses import dataclass
from typing import Any

from hpnets.statistics import table
from recipes.bench.selections import PROVEN
from recipes.bench.stages import KINDS, STAGES, stages_rows

Results = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The targets of a case.

    fastest: how many times faster than every peer, at least. bound: seconds over those of the bound, at most.
    peak_bytes: the memory, at most.
    """

    fastest: float
    bound: float
    peak_bytes: float


TARGETS = {
    "mlp": Target(6, 1.4, 150e6),
    "ccp": Target(8, 0.8, 90e6),
    "conv": Target(1.5, 1.5, 300e6),
    "resnet18": Target(1.7, 2.0, 1e9),
}
# The target for the time with the run-time proof over the time without it.
PROOF = 1.15
NAMED = ("torch-func-jacobian", "torchjd")


def render(results: Results) -> str:
    """All tables of one device."""
    e = results["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in e["versions"].items())
    lines = [
        f"### {e['device']}",
        "",
        f"{e['threads']} threads, {versions}.",
        "",
        *runs(results),
    ]
    parts = [targets(results), seconds(results), stages(results), selections(results), growth(results), large(results)]
    return "\n\n".join(["\n".join(lines), *(part for part in parts if part)])


def runs(results: Results) -> list[str]:
    """An item for each run that measured a part of the results: its date, parts, commit and command."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for part, run in results["runs"].items():
        key = (run["date"], f"commit {run['commit']}, load before {run['load']:.2f}: `{run['command']}`")
        parts.setdefault(key, []).append(part)
    return [f"- {date}, {', '.join(names)}: {how}" for (date, how), names in parts.items()]


def targets(results: Results) -> str:
    """A table of the measured values beside their targets, met or missed."""
    rows = [target_row(name, case) for name, case in results["cases"].items()]
    head = ("case", "fastest peer", *NAMED, "with the proof", "of the bound", "peak MB", "predicted MB", "GEMM GFLOP/s")
    return table(head, rows) if rows else ""


def target_row(name: str, case: Results) -> list[str]:
    t, ours = TARGETS[name], case["ours"]
    timed = {peer: measured for peer, measured in case["peers"].items() if "median" in measured}
    ratios = {peer: ratio(measured) for peer, measured in timed.items()}
    peer = min(timed, key=lambda p: timed[p]["median"], default=None)
    bound = ours["median"] / case["bound"]["seconds"]
    return [
        case["title"],
        f"{peer}: {verdict(ratios[peer], t.fastest, 'x', least=True)}" if peer else "not measured",
        *(f"{number(ratios[named])}x" if named in ratios else "not measured" for named in NAMED),
        proof_cost(proof) if (proof := case.get("proof")) else "not measured",
        verdict(bound, t.bound, "x", least=False),
        verdict(ours["peak_bytes"] / 1e6, t.peak_bytes / 1e6, "", least=False),
        f"{ours['predicted_bytes'] / 1e6:.0f}",
        f"{case['gemm_flops'] / 1e9:.0f}",
    ]


def verdict(value: float, target: float, unit: str, least: bool) -> str:
    """A value with its target and verdict, such as "9.1x (>= 7x, met)"."""
    met = value >= target if least else value <= target
    sign = ">=" if least else "<="
    return f"{number(value)}{unit} ({sign} {target:g}{unit}, {'met' if met else '**missed**'})"


def ratio(measured: Results) -> float:
    """How many times faster ours is, by the medians of the calls that were made in turn."""
    return measured["median"] / statistics.median(measured["ours_seconds"])


def proof_cost(proof: Results) -> str:
    """The median over pairs of the time with the proof over that of the call beside it; the ratio of the medians."""
    pairs = [b / a for a, b in zip(proof["ours_seconds"], proof["seconds"], strict=True)]
    return f"{verdict(statistics.median(pairs), PROOF, 'x', least=False)}; medians: {number(ratio(proof))}x"


def seconds(results: Results) -> str:
    """A table of the median (least - greatest) seconds and peak MB of ours and of each peer."""
    cases = results["cases"]
    peers = list(dict.fromkeys(peer for case in cases.values() for peer in case["peers"]))
    rows = [["hpnets.ntk", *(timing(case["ours"]) for case in cases.values())]]
    rows += [[peer, *(timing(case["peers"].get(peer, {})) for case in cases.values())] for peer in peers]
    rows.append(["the bound", *(f"{number(case['bound']['seconds'])} s" for case in cases.values())])
    notes = [f"- {peer}: `{make}`" for peer, make in missing(cases).items()]
    text = table(("seconds; peak MB", *cases), rows) if cases else ""
    return "\n".join([text, "", "No environment for:", *notes]) if notes else text


def missing(cases: Results) -> dict[str, str]:
    """The peers without an environment, with the commands that make one."""
    return {
        p: measured["make"] for case in cases.values() for p, measured in case["peers"].items() if "make" in measured
    }


def timing(measured: Results) -> str:
    """A timing such as "0.10 s (0.09 - 0.12); 140 MB", or the reason why there is none."""
    if "median" not in measured:
        return measured.get("error", "not run").split(": no environment")[0]
    spread = f"{number(min(measured['seconds']))} - {number(max(measured['seconds']))}"
    spread = "one call" if len(measured["seconds"]) == 1 else spread
    memory = f"; {measured['peak_bytes'] / 1e6:,.0f} MB" if "peak_bytes" in measured else ""
    return f"{number(measured['median'])} s ({spread}){memory}"


def stages(results: Results) -> str:
    """A table of our time by stage and by kind of operation."""
    head = ("our time goes to", *(f"{stage}, ms" for stage in STAGES), *KINDS)
    rows = stages_rows(results["cases"])
    return table(head, rows) if rows else ""


def selections(results: Results) -> str:
    """A table of our seconds and memory for the other output selections, and of what the proof of one output costs."""
    cases = results.get("selections", {})
    names = {"trace": "trace", "0": "one logit", "sum": "sum of logits"}
    rows = [[title, *(timing(runs[outputs]) for runs in cases.values())] for outputs, title in names.items()]
    for outputs in PROVEN:
        costs = [proof_in_passes(runs[str(outputs)]["proof"]) for runs in cases.values()]
        rows.append([f"the proof of {names[str(outputs)]}", *(verdict(cost, 1, "x", least=False) for cost in costs)])
    return table(("output selection", *cases), rows) if cases else ""


def proof_in_passes(proof: Results) -> float:
    """The proof's time over that of a forward and 1.5 backward passes: the median over rounds of calls in turn."""
    rounds = zip(*(proof[name] for name in ("off", "always", "forward", "backward")), strict=True)
    return statistics.median((always - off) / (forward + 1.5 * backward) for off, always, forward, backward in rounds)


def growth(results: Results) -> str:
    """A table of growth: the slope of the seconds, and at each size the seconds and the MB beyond the kernel."""
    rows = []
    for measured in results.get("growth", {}).values():
        sizes = ", ".join(str(p["size"]) for p in measured["points"])
        took = ", ".join(number(p["median"]) for p in measured["points"])
        beyond = ", ".join(f"{max(0, p['beyond_bytes']) / 1e6:.0f}" for p in measured["points"])
        rows.append([measured["net"], f"{measured['axis']} = {sizes}", f"{measured['slope']:.2f}", took, beyond])
    budget = next((measured["budget"] for measured in results.get("growth", {}).values()), "")
    head = ("growth", "sizes", "log-log slope", "seconds", f"MB beyond K, budget {budget}")
    return table(head, rows) if rows else ""


def large(results: Results) -> str:
    """A table of the CCP's large kernels."""
    rows = []
    for name, measured in results.get("large", {}).items():
        what = f"trace kernel of {measured['samples']:,} digits with noise"
        if name == "top20":
            residual = f"{measured['products']} products, residuals below {measured['largest_residual']:.0e}"
            what = f"top 20 eigenvalues of {measured['samples']:,} x 10 rows, matrix-free: {residual}"
        rows.append([what, timing(measured)])
    return table(("CCP degree 4, width 256, 64 -> 10", "seconds; peak MB"), rows) if rows else ""


def number(value: float) -> str:
    """A number with three figures below 100, and without a fraction above."""
    return f"{value:#.3g}".rstrip(".") if value < 100 else f"{value:,.0f}"

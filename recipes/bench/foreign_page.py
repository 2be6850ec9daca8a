"""The page of the foreign networks: targets met or missed, ratios, the chooser's regret, seconds of everyone."""

import statistics
from collections.abc import Iterable
from typing import Any

from recipes.bench.contenders import ALGORITHM, OURS, PASSES, PEERS, UNPROVEN
from recipes.bench.foreign import CUT_DOWN, IN_TURN, PUBLISHED, SELECTIONS
from recipes.bench.table import number, table

Results = dict[str, Any]
# The targets, ratios of medians: ours over the best peer's, without and with the proof; how many times faster in the
# median network; trace over full, with 5% for noise; auto over the best of our algorithms.
SLOWEST, SLOWEST_PROVEN, MEDIAN, TRACE, REGRET = 1.05, 1.15, 3.0, 1.05, 1.3

ABOUT = """\
Networks of timm, torchvision and torch's own layers, random weights, eval mode, BatchNorm statistics of one batch,
images of 64 x 64; {samples} samples (half as many of networks of more than 15 M parameters, so that the peers'
Jacobians fit the memory), {outputs} outputs, float32. One process for each network calls everyone in turn,
A B A B, after two calls that warm up, the first of which is checked against the loop's kernel (to 1e-4; where it is
not, against the loop's in float64, to twice the error of the float32 loop); shown is the median, in the seconds' tables
with the least and the greatest. `ntk`, and whoever takes at most twice the fastest peer's or algorithm's second call,
make up to {rounds} rounds, the others one. A call shorter than a second comes after an untimed one; one of more than
4 s is timed by its second call alone, or by the first if that takes more than 20 s; after {limit:g} s a call is given
up.

- ntk: `hpnets.ntk.ntk(net, x, outputs=...)` as a user calls it; "verify off" leaves out the run-time proof.
- vmap(jacrev): torch.func's Jacobian, in the chunk of samples that is fastest here, with the faster of one product of
  the whole Jacobian and one for each parameter, attention in its unfused form, which vmap does not loop over.
- TorchJD: the Gramian of its autogram engine, on the same torch; batched where it takes the modules, else unbatched.
  For the trace it has no way of its own: the faster of the full Gramian and one Gramian for each output.
- loop: `torch.autograd.grad` on the whole batch for each sample and output, then one product.
- regret: the time of `auto` over that of the fastest of our algorithms that takes the network, all without the proof;
  an algorithm is given up after four times the fastest first call of all.
- passes alone: a forward pass and a backward pass for each of the outputs, to the layers' outputs and not to weights,
  the faster of one by one and all in one. Whatever goes through autograd makes them, so that a kernel can be at most
  "the most" times faster than the best peer.
- trace over full: of our two kernels without the proof, called in turn after everything else.

The targets name twenty networks by their families, not by their size. The table first held the networks cut down, and
six of those as published; eight more were added when it was known that the networks cut down miss two of the targets,
and at last the six that follow shufflenet, so that the twenty as published are of all the families that are named. The
six were chosen before a peer was run on them; a table of targets holds every network of its kind that was measured.
"""


def medians(record: Results, selection: str) -> dict[str, float]:
    """The median seconds of all contenders that were timed, by name."""
    return {name: result["median"] for name, result in record.get(selection, {}).items() if "median" in result}


def best_peer(record: Results, selection: str) -> tuple[str, float]:
    """The fastest peer and its seconds; ("", nan) if none was timed."""
    times = {name: t for name, t in medians(record, selection).items() if name in PEERS}
    return min(times.items(), key=lambda item: item[1], default=("", float("nan")))


def ours(record: Results, selection: str, proven: bool) -> float:
    """Our seconds with or without the proof, nan if there are none; they are the same in a version without a proof."""
    times = medians(record, selection)
    return times.get(OURS if proven or UNPROVEN not in times else UNPROVEN, float("nan"))


def slowness(record: Results, selection: str, proven: bool) -> float:
    """Our time over the best peer's."""
    return ours(record, selection, proven) / best_peer(record, selection)[1]


def most(record: Results, selection: str) -> float:
    """The best peer's time over the time of the passes alone, which no way through autograd can beat."""
    return best_peer(record, selection)[1] / record.get(PASSES, {}).get("median", float("nan"))


def trace_over_full(record: Results) -> float:
    """Our time for the trace kernel over that for the full one, without the proof, from calls in turn."""
    times = record.get(IN_TURN)
    return statistics.median(times["trace"]) / statistics.median(times["full"]) if times else float("nan")


def regret(record: Results, selection: str) -> float:
    """The time of auto over the time of the fastest of our algorithms."""
    times = [t for name, t in medians(record, selection).items() if name.startswith(ALGORITHM)]
    return ours(record, selection, False) / min(times, default=float("nan"))


def page(devices: list[Results]) -> str:
    """The whole page, with a section for each device; all were measured by the settings of the first."""
    parts = ["# hpnets on other people's networks", ABOUT.format(**devices[0]["settings"]).rstrip()]
    return "\n\n".join([*parts, *(part for results in devices for part in section(results))]) + "\n"


def section(results: Results) -> list[str]:
    """The environment of one device, its targets' tables and those of all its networks."""
    e, networks = results["environment"], results["networks"]
    versions = ", ".join(f"{name} {version}" for name, version in e["versions"].items())
    commits = ", ".join(sorted({record["commit"] for record in networks.values()}))
    parts = [f"## {e['device']}", f"```text\n{results['command']}\n```"]
    parts += [f"{e['date']}, {versions}, commit {commits}; load before {e['load']:.2f}."]
    return [*parts, *of_both_kinds(networks), ratios(networks), *(seconds(networks, s) for s in SELECTIONS)]


def of_both_kinds(networks: Results) -> list[str]:
    """The targets' tables of the networks as published and of the cut down ones, under headings."""
    texts = []
    for title, nets in {"Networks as published": PUBLISHED, "Networks cut down": CUT_DOWN}.items():
        group = {net: networks[net] for net in nets if net in networks}
        texts += [f"### {title}: {len(group)} of {len(nets)}", targets(group)] if group else []
    return texts


def targets(networks: Results) -> str:
    """A table of the targets: the measured value, and the networks that miss the target."""
    both = [(f"{name} {s}", record, s) for name, record in networks.items() for s in SELECTIONS]
    off = {label: slowness(record, s, False) for label, record, s in both}
    on = {label: slowness(record, s, True) for label, record, s in both}
    apart = {label: regret(record, s) for label, record, s in both}
    dear = {name: trace_over_full(record) for name, record in networks.items()}
    faster = middle(1 / v for v in off.values())
    bound = middle(most(record, s) for _, record, s in both)
    rows = [
        [f"our time over the best peer's, verify off, at most {SLOWEST}", *worst(off, SLOWEST)],
        [f"the same with the proof, at most {SLOWEST_PROVEN}", *worst(on, SLOWEST_PROVEN)],
        [f"times faster in the median, at least {MEDIAN:g}", number(faster), "" if faster >= MEDIAN else "**missed**"],
        ["the most that this could be, by the passes alone, in the median", number(bound), ""],
        [f"trace over full, at most {TRACE}", *worst(dear, TRACE)],
        [f"the chooser's regret, at most {REGRET}", *worst(apart, REGRET)],
    ]
    return table(("target", "measured", "missed by"), rows)


def middle(values: Iterable[float]) -> float:
    """The median of the values that are not nan."""
    return statistics.median([value for value in values if value == value] or [float("nan")])


def worst(values: dict[str, float], limit: float) -> tuple[str, str]:
    """The greatest value, and the names of those above the limit or without a value."""
    known = {name: value for name, value in values.items() if value == value}
    over = [f"{name} ({value:.2f})" for name, value in known.items() if value > limit]
    missing = [f"{name} (not measured)" for name in values if name not in known]
    return number(max(known.values(), default=float("nan"))), ", ".join(over + missing)


def ratios(networks: Results) -> str:
    """A table with one row for each network: how many times faster than the best peer, and the regret."""
    columns = ("ntk, s", "best peer", "times faster", "verify off", "the most", "regret")
    head = ("network", *(f"{s}: {text}" for s in SELECTIONS for text in columns), "trace over full")
    rows = [
        [name, *(cell for s in SELECTIONS for cell in cells(record, s)), plain(trace_over_full(record))]
        for name, record in networks.items()
    ]
    return table(head, rows)


def cells(record: Results, selection: str) -> list[str]:
    """Our seconds, the best peer's, how many times faster with and without the proof and at the most, the regret."""
    peer, best = best_peer(record, selection)
    faster = [plain(1 / slowness(record, selection, proven)) for proven in (True, False)]
    return [
        number(ours(record, selection, True)),
        f"{peer} {number(best)}",
        *faster,
        plain(most(record, selection)),
        plain(regret(record, selection)),
    ]


def seconds(networks: Results, selection: str) -> str:
    """A table of all contenders' seconds for one output selection."""
    names = list(dict.fromkeys(name for record in networks.values() for name in record.get(selection, {})))
    rows = [
        [f"{network}, {record.get('parameters', 0) / 1e6:.2f} M"]
        + [timing(record.get(selection, {}).get(name, {})) for name in names]
        for network, record in networks.items()
    ]
    return table((f"{selection}, seconds", *names), rows)


def timing(result: Results) -> str:
    """A timing such as "0.10 (0.09 - 0.12)", or in a few words the reason why there is none."""
    if "median" not in result:
        return result.get("failed", "").removeprefix("TimeoutError: ").partition(". ")[0][:80]
    if len(result["seconds"]) == 1:
        return f"{number(result['median'])} (one call)"
    return f"{number(result['median'])} ({number(min(result['seconds']))} - {number(max(result['seconds']))})"


def plain(value: float) -> str:
    """A number with two figures after the point; "" for nan."""
    return f"{value:.2f}" if value == value else ""

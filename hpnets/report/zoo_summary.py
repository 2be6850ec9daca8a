"""What the zoo shows, in sentences whose numbers come from the index."""

from typing import Any

from hpnets.report.zoo import LOWER_IS_BETTER, Entry, interval, metric_of, rivals_of, spread
from hpnets.statistics import half_width

NAMED = 4  # of the largest gains and losses, so many are named


def summary(goal: str, entries: list[Entry]) -> str:
    """A paragraph on the networks of one task and metric: gains and losses by the product, cost, the best mean.

    entries: a value of `by_goal`, the best first. A gain or loss is told from 0 if the 95% interval of the difference
    over the seeds leaves 0 out.
    """
    pairs = [entry for entry in entries if entry["twin"]]
    parts = [f"**{goal}.**", *(gains(pairs) if pairs else []), best(entries)]
    return " ".join(parts)


def gains(pairs: list[Entry]) -> list[str]:
    """The sentences on the networks that have a twin."""
    sign = -1 if metric_of(pairs[0]).endswith(LOWER_IS_BETTER) else 1
    better = [e for e in pairs if sign * _clear(e) > 0]
    worse = [e for e in pairs if sign * _clear(e) < 0]
    untuned = sum(not e["twin"].get("tuning") for e in pairs)
    tuned = "tuned alike" if not untuned else f"{untuned} of which were not tuned as much"
    said = [
        f"Of {counted(len(pairs), 'network')} with a product and an additive twin, {tuned}, the product gains at "
        f"{_named(better)} and loses at {_named(worse)}."
    ]
    if unclear := len(pairs) - len(better) - len(worse):
        said.append(f"At the other {unclear} nothing can be told apart: the 95% interval holds 0.")
    shares = [100 * e["products"] / e["flops"] for e in pairs]
    most = f"at most {max(shares):.2g}%" if pairs[1:] else f"{shares[0]:.2g}%"
    said.append(f"Products are {most} of the FLOPs, and cost no parameters.")
    return said


def best(entries: list[Entry]) -> str:
    """The sentence on the best mean."""
    first, rivals = entries[0], rivals_of(entries)
    own = spread(first["metrics"][metric_of(first)])
    others = f", from which the seeds cannot tell {len(rivals)} of {len(entries) - 1} others" if entries[1:] else ""
    return f"The best mean is that of `{first['model']['name']}`, {own}{others}."


def counted(n: int, noun: str) -> str:
    """ "1 network", "2 networks"."""
    return f"{n} {noun}{'s' * (n != 1)}"


def _clear(entry: Entry) -> float:
    """The mean difference to the twin, or 0 where its interval holds 0."""
    value, seeds = _difference(entry), len(entry["twin"]["seeds"])
    return value["mean"] if abs(value["mean"]) > half_width(value["std"], seeds) else 0.0


def _difference(entry: Entry) -> dict[str, Any]:
    return entry["twin"]["difference"][metric_of(entry)]


def _named(entries: list[Entry]) -> str:
    """How many, and the largest by name with their intervals."""
    if not entries:
        return "none"
    largest = sorted(entries, key=lambda e: -abs(_difference(e)["mean"]))[:NAMED]
    listed = ", ".join(f"`{e['model']['name']}` {interval(_difference(e), len(e['twin']['seeds']))}" for e in largest)
    return f"{len(entries)} ({'the most: ' if len(entries) > NAMED else ''}{listed})"

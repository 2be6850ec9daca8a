"""The record of finished runs in the index: means over the seeds, and differences from the additive twin by seed."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpnets.statistics import mean_std

if TYPE_CHECKING:
    from hpnets.training import RunFolder

KERNEL = ("drift", "cosine_drift", "effective_rank", "decay_exponent", "decay_r_squared", "alignment", "trace")
WINDOW = ("decay_window_start", "decay_window_stop")


def metrics_of(summaries: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Each metric's value for the first run, and its mean and standard deviation over all runs."""
    first = summaries[0]["metrics"]
    return {key: {"weights": first[key], **(mean_std([s["metrics"][key] for s in summaries]) or {})} for key in first}


def kernel_of(runs: "Sequence[RunFolder]") -> dict[str, Any]:
    """The kernel at the end of the runs, as the index describes it; {} if it was not tracked."""
    kernels = [run.read_summary()["kernel"] for run in runs]
    if not kernels[0]:
        return {}
    options = runs[0].options().ntk
    window = [kernels[0].get(name) for name in WINDOW]
    return {
        "probe": options.probe,
        "outputs": options.outputs,
        "zero_gradient": zero_gradient(runs[0]),
        "decay_window": None if None in window else [int(rank) for rank in window],
        **{name: mean_std([k.get(name) for k in kernels]) for name in KERNEL},
    }


def zero_gradient(run: "RunFolder") -> float:
    """The share of the parameters without gradient before the first step; above 1/2 the kernel there is degenerate."""
    import lightning.pytorch as pl

    from hpnets.ntk import zero_gradient_fraction
    from hpnets.training.assemble import statistics_source
    from hpnets.training.batch_statistics import BatchStatistics
    from hpnets.training.build import build

    options = run.options()
    pl.seed_everything(options.seed, verbose=False)
    net, task = build(options)
    x = task.probe(options.ntk.probe).x
    with BatchStatistics(statistics_source(options.ntk, task), x).lent(net, None, task.train_dataloader()):
        return round(zero_gradient_fraction(net, x), 4)


def seconds_of(runs: "Sequence[RunFolder]") -> dict[str, float]:
    """The seconds of a run, as mean and standard deviation, and the threads that it had."""
    threads = json.loads(runs[0].env.read_text())["threads"]
    return {**(mean_std([run.read_summary()["seconds"] for run in runs]) or {}), "threads": threads}


def twin_of(runs: "Sequence[RunFolder]", twins: "Sequence[RunFolder]", tuning: dict[str, Any] | None) -> dict[str, Any]:
    """The record of the additive twins, each compared with the run of its seed; tuning: how the rates were chosen."""
    summaries = [run.read_summary() for run in twins]
    ours, theirs = ([numbers(run) for run in side] for side in (runs, twins))
    return {
        "model": twins[0].options().model,
        "seeds": [run.options().seed for run in twins],
        "metrics": {key: mean_std([side["metrics"][key] for side in summaries]) for key in summaries[0]["metrics"]},
        "kernel": kernel_of(twins),
        "tuning": tuning and {**tuning, "net_metrics": metrics_of([run.read_summary() for run in runs])},
        "difference": {
            name: mean_std([minus(a.get(name), b.get(name)) for a, b in zip(ours, theirs, strict=True)])
            for name in ours[0]
        },
    }


def numbers(run: "RunFolder") -> dict[str, float | None]:
    """The test metrics and kernel numbers of one run."""
    summary = run.read_summary()
    return {**summary["metrics"], **{name: summary["kernel"].get(name) for name in KERNEL if summary["kernel"]}}


def minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b

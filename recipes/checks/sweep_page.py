"""The sweep's results: the json of all networks, and a page that counts the verdicts and shows each network."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hpnets.atomic_files import write_json, write_text
from recipes.bench.table import number, table

Results = dict[str, Any]
# The order of the rows, with the worst verdict first.
VERDICTS = ("wrong", "crashed", "no reference", "over the time limit", "refused", "exact")
SLOWER = 1.05
SINGLE = 1e-5
SLOW_PATH = "UnprovenWarning"

ABOUT = """\
Every network below has random weights, eval mode, and BatchNorm statistics of one batch; parameters that are constant
at the start (gates of 0) have noise added, so that no layer is without a gradient. They are of
[timm](https://github.com/huggingface/pytorch-image-models), torchvision, torch's own layers and other libraries:
language models of transformers, adapters of peft, flows of zuko, graphs of torch-geometric and more, which
`pip install -e '.[checks]'` brings. In {dtype}, for {samples} samples and 2 outputs, a network's kernel by
`hpnets.ntk.ntk` as called without options, `outputs="full"` and `"trace"`, is compared with a loop of plain autograd
over samples and outputs in float64, on the whole batch in grad mode. Each network runs in a process of its own, on one
thread.

- exact: the largest error |K_ab - R_ab| / sqrt(R_aa R_bb) is below 1e-10 in both (1e-5 where the network's own forward
  computes in float32, or twice the error of a float32 loop if that is more), parameters and buffers are the same bits
  afterwards, and a backward pass through the network gives what it gave before. In float32 a gate at its threshold may
  be open in one pass and closed in another, and neither is wrong; so a kernel that is off there is made of other
  samples, up to four times, and the row says in which draw it was exact. A fault would show in each.
- refused: a ValueError of hpnets, whose sentence stands in the row; crashed: any other exception.
- slow path: the fast way raised or was not proven, and the kernel was made by another, as an UnprovenWarning says.
- a loop's error: of the kernel of a loop of plain autograd in the network's own dtype.
- seconds: of `ntk`, one call without a warm-up; beside that loop's. The machine is not quiet: for timings see
  [the foreign networks](../foreign/README.md).
"""


def earlier(out: Path) -> Results:
    """The results that the folder holds."""
    path = out / "sweep.json"
    return json.loads(path.read_text()) if path.is_file() else {"networks": {}}


def write(results: Results, out: Path) -> None:
    """Write sweep.json, with networks in the order of their names, and README.md."""
    results = {**results, "networks": dict(sorted(results["networks"].items()))}
    write_json(out / "sweep.json", results)
    write_text(out / "README.md", page(results))


def page(results: Results) -> str:
    """The text of the page."""
    e, records = results["environment"], results["networks"]
    machine = e["cpu"] if results["device"] == "cpu" else e["device"]
    on = f"{e['date']}, {machine}, {', '.join(f'{name} {version}' for name, version in e['versions'].items())}."
    commits = ", ".join(sorted({record["commit"] for record in records.values()}))
    head = ["network", "parameters", "verdict", "largest error", "a loop's error", "algorithm", "seconds"]
    head += ["a loop's seconds", "said"]
    names = sorted(records, key=lambda name: (VERDICTS.index(records[name]["verdict"]), name))
    rows = [row(name, records[name], results["dtype"]) for name in names]
    on_device = "" if results["device"] == "cpu" else f" on an {machine}"
    parts = [f"# Kernels of other people's networks in {results['dtype']}{on_device}", count(records)]
    parts += [ABOUT.rstrip().format(**results), f"```text\n{results['command']}\n```"]
    parts += [f"{on} Commit {commits}.", table(head, rows)]
    return "\n\n".join(parts) + "\n"


def count(records: Results) -> str:
    """A count such as "257 networks: 0 wrong, 0 crashed, ..", and how many took longer than the loop."""
    verdicts = Counter(record["verdict"] for record in records.values())
    slower = sum(seconds(record) > SLOWER * record["loop_seconds"] for record in records.values() if seconds(record))
    numbers = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS)
    disproven = sum(bool(slow_paths(record)) for record in records.values())
    drawn = sum(record.get("draws", 1) > 1 for record in records.values())
    again = f"{drawn} were looked at on other samples. " if drawn else ""
    rounded = sum(record["verdict"] == "exact" and largest(record, "error") > SINGLE for record in records.values())
    again += f"{rounded} are off by more than {SINGLE}, as is a loop in float32. " if rounded else ""
    return (
        f"{len(records)} networks: {numbers}. {again}{disproven} were made by the slow path. "
        f"{slower} took more than {SLOWER} times as long as the loop."
    )


def largest(record: Results, kind: str) -> float:
    """The larger "error", or "loop_error", of the two selections; 0 if there is none."""
    return max(record.get(outputs, {}).get(kind, 0.0) for outputs in ("full", "trace"))


def slow_paths(record: Results) -> list[str]:
    """The selections whose kernel hpnets made by the slow path, as one of its warnings says."""
    warned = {outputs: record.get(outputs, {}).get("warnings", []) for outputs in ("full", "trace")}
    return [outputs for outputs, texts in warned.items() if any(SLOW_PATH in text for text in texts)]


def seconds(record: Results) -> float:
    """The seconds of the full kernel; 0 if there is none."""
    return record.get("full", {}).get("seconds", 0.0)


def row(name: str, record: Results, dtype: str) -> list[str]:
    """The row of one network."""
    error, own = (largest(record, kind) for kind in ("error", "loop_error"))
    said = sorted({text.split(":")[0] for key in ("full", "trace") for text in record.get(key, {}).get("warnings", [])})
    reason = record.get("reason", "")
    said += ["float32 inside"] if record.get("precision") == "float32" and dtype != "float32" else []
    said += [f"draw {record['draws']}"] if record.get("draws", 1) > 1 else []
    return [
        name,
        f"{record['parameters'] / 1e6:.2f} M" if "parameters" in record else "",
        record["verdict"],
        f"{error:.0e}" if any("error" in record.get(outputs, {}) for outputs in ("full", "trace")) else "",
        f"{own:.0e}" if own else "",
        ", ".join(dict.fromkeys(record.get("algorithm", {}).values())),
        number(seconds(record)) if seconds(record) else "",
        number(record["loop_seconds"]) if "loop_seconds" in record else "",
        "; ".join(filter(None, [reason, *said])),
    ]

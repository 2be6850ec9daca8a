"""The page of the checks on an accelerator."""

import math
from dataclasses import dataclass
from typing import Any

from hpnets.statistics import table

HEAD = """# On an accelerator

{verdict} Kernels of all registered models, tiny ones, by each exact algorithm are compared with a float64 Jacobian by
plain autograd on the CPU: the largest error in units of the kernel's largest entry. Runs are those of
`recipes/train.py --model ccp`. TF32 is off.

```text
{command}
```

{where}

"""


@dataclass(frozen=True)
class Check:
    """What was measured, and the largest value allowed; a value that is NaN is a failure, said in the note."""

    name: str
    value: float
    allowed: float
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.value <= self.allowed

    def as_record(self) -> dict[str, Any]:
        """As results.json holds it: null for a NaN."""
        value = self.value if math.isfinite(self.value) else None
        return {"check": self.name, "value": value, "allowed": self.allowed, "ok": self.ok, "note": self.note}


def page(record: dict[str, Any]) -> str:
    """README.md: the verdict, the command, a row for each check of a run, and one for each model's kernels."""
    checks, about = record["checks"], record["environment"]
    held = sum(check["ok"] for check in checks)
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    where = f"{about['date']}, {about['device']}, {versions}, commit {about['commit']}; {record['seconds']} s in all."
    verdict = f"**{held} of {len(checks)} checks hold.**"
    kernels = [check for check in checks if check["check"].startswith("kernel ")]
    others = [check for check in checks if check not in kernels]
    head = HEAD.format(verdict=verdict, command=record["command"], where=where)
    rows = [[c["check"], _number(c["value"]), _number(c["allowed"]), _holds(c), c["note"]] for c in others]
    return head + table(["check", "value", "allowed", "holds", ""], rows) + "\n\n" + _kernel_table(kernels) + "\n"


def _kernel_table(kernels: list[dict[str, Any]]) -> str:
    """A row a model, a column an algorithm and precision."""
    cells = {tuple(check["check"].split()[1:]): check for check in kernels}
    columns = list(dict.fromkeys(key[1:] for key in cells))
    rows = [
        [name, *(_number(cells[name, *c]["value"]) + _failed(cells[name, *c]) for c in columns)]
        for name in dict.fromkeys(key[0] for key in cells)
    ]
    return table(["model", *(f"{algorithm}, {dtype}" for algorithm, dtype in columns)], rows)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


def _holds(check: dict[str, Any]) -> str:
    return "yes" if check["ok"] else "**no**"


def _failed(check: dict[str, Any]) -> str:
    return "" if check["ok"] else f" **no** {check['note']}".rstrip()

"""Our attacks beside those of torchattacks, in an environment that has it: python -m recipes.checks.attacks"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hpnets.commands.parser import run_command
from recipes.command_line import command_of

if TYPE_CHECKING:
    from torch import nn

    from hpnets.options import AttackOptions
    from hpnets.tasks.kinds import ClassificationTask

NAMES = "mlp-digits,ccp-digits,cnn-digits,pinet-digits,resnet18-digits,starnet-digits"
CASES: tuple[tuple[str, Literal["linf", "l2"], float], ...] = (
    ("fgsm", "linf", 0.05),
    ("pgd", "linf", 0.05),
    ("pgd", "linf", 0.1),
    ("pgd", "l2", 0.5),
)
ABOUT = """# Attacks beside torchattacks

The accuracy of published networks on the 300 test digits under attack, where less is a stronger attack: torchattacks
{theirs}; the same algorithm here (`hpnets.attacks.perturb`: the last point of one random start); and `attack`, which
keeps the worst of the sample, of fgsm and of the whole path. All take 20 steps of a quarter of the radius on the
cross-entropy; pixels are scaled to 0..1 for theirs. FGSM leaves nothing to choose, and agrees sample by sample; starts
of PGD are drawn apart.

```text
{command}
```

{table}
"""


def compare(names: str = NAMES, out: str = "docs/results/attacks") -> None:
    """Measure both on published networks, and write results.json and README.md.

    Args:
        names: checkpoints, parted by commas
        out: the folder of the page
    """
    from hpnets.atomic_files import write_json, write_text

    rows = [row for name in names.split(",") for row in measured(name)]
    record: dict[str, Any] = {"command": command_of("recipes.checks.attacks"), "torchattacks": version("torchattacks")}
    write_json(Path(out) / "results.json", {**record, "rows": rows})
    write_text(Path(out) / "README.md", page({**record, "rows": rows}))
    print(json.dumps(rows, indent=1))


def measured(name: str) -> list[dict[str, Any]]:
    """A row for each case: accuracies, and the share of samples on which theirs and ours agree."""
    from hpnets.attacks import attack, is_wrong, perturb
    from hpnets.options import AttackOptions
    from hpnets.tasks.digits import DigitsTask
    from hpnets.zoo import load_pretrained

    (net, _), task, rows = load_pretrained(name), DigitsTask(), []
    task.setup()
    x, y = task.test_set.batch(range(len(task.test_set)))
    for kind, norm, eps in CASES:
        options = AttackOptions(eps, kind, norm)
        theirs = is_wrong(net(other_point(net, task, options, x, y)), y)
        ours = is_wrong(net(perturb(net, x, y, task.box, options)), y)
        worst = attack(net, x, y, task.box, options).accuracy
        shares = {"torchattacks": 1 - mean(theirs), "perturb": 1 - mean(ours), "attack": worst}
        row = {"network": name, "kind": kind, "norm": norm, "eps": eps, "clean": 1 - mean(is_wrong(net(x), y))}
        rows.append({**row, **{k: round(v, 6) for k, v in shares.items()}, "agree": round(mean(theirs == ours), 6)})
    return rows


def other_point(net: "nn.Module", task: "ClassificationTask", options: "AttackOptions", x: Any, y: Any) -> Any:
    """Where torchattacks goes, as the network takes it."""
    import torch
    import torchattacks

    torch.manual_seed(0)
    low, high = task.box
    inner = scaled(net, low, high - low)
    steps = {"alpha": options.step_size * options.eps, "steps": options.steps, "random_start": True}
    if options.name == "fgsm":
        made = torchattacks.FGSM(inner, eps=options.eps)
    elif options.norm == "linf":
        made = torchattacks.PGD(inner, eps=options.eps, **steps)
    else:
        made = torchattacks.PGDL2(inner, eps=options.eps, **steps)
    return made(((x - low) / (high - low)).clamp(0, 1), y) * (high - low) + low


def scaled(net: "nn.Module", low: Any, size: Any) -> "nn.Module":
    """The network on pixels scaled to 0..1, in eval mode."""
    from torch import nn
    from torchvision.transforms.v2 import Normalize

    constants = ((of / size).flatten().tolist() for of in (-low, low**0))
    return nn.Sequential(Normalize(*constants), net).eval()


def mean(flags: Any) -> float:
    """The share of true ones."""
    return float(flags.double().mean())


def page(record: dict[str, Any]) -> str:
    """The text of README.md."""
    from hpnets.statistics import table

    keys = ("clean", "torchattacks", "perturb", "attack", "agree")
    head = ("network", "kind", "norm", "radius", *keys)
    rows = [
        (row["network"], row["kind"], row["norm"], f"{row['eps']:g}", *(f"{row[key]:.3f}" for key in keys))
        for row in record["rows"]
    ]
    return ABOUT.format(theirs=record["torchattacks"], command=record["command"], table=table(head, rows))


if __name__ == "__main__":
    run_command(compare)

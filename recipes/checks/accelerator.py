"""Kernels and training on an accelerator: python -m recipes.checks.accelerator --out docs/results/accelerator"""

import copy
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.atomic_files import write_json, write_text
from hpnets.commands.parser import run_command
from hpnets.environment import device_of
from hpnets.models import create_model, generates_pictures, list_models, model_options
from hpnets.ntk import ntk
from recipes.bench.environment import environment
from recipes.checks.accelerator_page import Check, page
from recipes.checks.accelerator_rates import rates
from recipes.checks.accelerator_runs import RUNS
from recipes.checks.processes import Record, Tell, last_line, outcomes
from recipes.checks.reference import contract, loop_jacobian
from recipes.checks.states import estimate_statistics, wake
from recipes.command_line import command_of

ALGORITHMS = ("structured", "jacobian", "ntkvp")
EXACT = {torch.float64: 1e-10, torch.float32: 1e-5}
IMAGE, SAMPLES, OUTPUTS, WIDTH = (1, 8, 8), 3, 3, 6
LIMIT = 300.0  # seconds of a process
Task = tuple[str, tuple[str, ...], str]  # "kernels" or "runs", names of models or of runs, the device


def accelerator(
    out: str = "docs/results/accelerator",
    device: str = "auto",
    models: str = "*",
    runs: str = "*",
    jobs: int = 10,
) -> None:
    """Compare kernels with a float64 Jacobian of the CPU, and runs with the CPU's; write results.json and README.md.

    Args:
        out: the folder that is written
        device: auto, cpu or cuda
        models: a shell pattern of the models whose kernels are compared, tiny ones
        runs: a shell pattern of the runs: default, bf16, resume, processes
        jobs: processes at once; each trains a run, or compares its share of the models
    """
    began, device = time.perf_counter(), device_of(device)
    names = list_models(models)
    work: list[Task] = [("runs", (name,), device) for name in RUNS if fnmatch(name, runs)]
    work += [("kernels", tuple(names[i::jobs]), device) for i in range(jobs) if names[i::jobs]]
    checks = list[Check]()
    for (kind, parts, _), record in outcomes(perform, work, LIMIT, at_once=jobs):
        checks += [Check(**check) for check in record.get("checks", [])]
        if "ended" in record:
            checks.append(Check(f"{kind} {' '.join(parts)}", float("nan"), 0.0, note=record["ended"]))
        print(f"{kind} {' '.join(parts)}: {record.get('ended', 'done')}", flush=True)
    if device != "cpu":
        checks += rates(device)
    record = {
        "command": command_of("recipes.checks.accelerator"),
        "environment": environment("cpu" if device == "cpu" else "cuda", torch.get_num_threads()),
        "seconds": round(time.perf_counter() - began, 1),
        "checks": [check.as_record() for check in sorted(checks, key=lambda check: check.name)],
    }
    write_json(Path(out) / "results.json", record)
    write_text(Path(out) / "README.md", page(record))
    wrong = [check.name for check in checks if not check.ok]
    print(f"{len(checks) - len(wrong)} of {len(checks)} checks hold; written to {out}; {record['seconds']} s")
    if wrong:
        sys.exit(f"not: {', '.join(wrong)}")


def perform(task: Task, tell: Tell) -> None:
    """Make the checks of one process, and tell them as they come."""
    kind, names, device = task
    torch.set_num_threads(1)
    checks = list[Record]()
    for name in names:
        for check in kernel_checks(name, device) if kind == "kernels" else RUNS[name](device):
            checks.append(vars(check))
            tell({"checks": checks})


def kernel_checks(name: str, device: str) -> list[Check]:
    """The largest error of each algorithm and precision on `device`, in units of the largest entry of the kernel."""
    net, x = tiny(name)
    right = contract(loop_jacobian(copy.deepcopy(net), x))
    return [
        Check(f"kernel {name} {algorithm} {str(dtype)[6:]}", *measured(net, x, right, algorithm, dtype, device))
        for dtype in EXACT
        for algorithm in ALGORITHMS
    ]


def measured(
    net: nn.Module, x: Tensor, right: Tensor, algorithm: Any, dtype: torch.dtype, device: str
) -> tuple[float, float, str]:
    """The error of one kernel, the allowed one, and what an exception said instead."""
    moved = copy.deepcopy(net).to(device, dtype)
    try:
        kernel = ntk(moved, x.to(device, dtype), outputs="full", algorithm=algorithm).cpu().double()
    except Exception as error:  # of any kind: the other checks go on
        return float("nan"), EXACT[dtype], last_line(error)
    return float((kernel - right).abs().max() / right.abs().max()), EXACT[dtype], ""


def tiny(name: str) -> tuple[nn.Module, Tensor]:
    """The model `name` of width 6 for 8x8 images in float64 on the CPU, all of whose parameters count, and samples.

    All numbers are float32's, so that an error in float32 is the kernel's, and not that of rounded weights.
    """
    torch.manual_seed(0)
    narrow: dict[str, Any] = {"width": WIDTH} if "width" in model_options(name) else {}
    outputs = torch.Size(IMAGE).numel() if generates_pictures(name) else OUTPUTS
    net = create_model(name, input_shape=IMAGE, output_dim=outputs, **narrow)
    wake(net, biases=False)
    estimate_statistics(net, torch.randn(64, *IMAGE))
    return net.double().eval(), torch.randn(SAMPLES, *IMAGE).double()


if __name__ == "__main__":
    run_command(accelerator)

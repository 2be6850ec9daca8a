"""Check the kernels of other people's networks against plain autograd: python -m recipes.checks.sweep"""

import copy
import functools
import time
import traceback
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hpnets.commands.parser import run_command
from hpnets.environment import device_of
from hpnets.ntk import Outputs, ntk, plan
from recipes.bench.environment import environment
from recipes.bench.worker import synchronise
from recipes.checks.networks import build, check_installed, match
from recipes.checks.processes import Record, Tell, last_line, outcomes
from recipes.checks.reference import contract, largest_error, loop_jacobian, precision
from recipes.checks.sweep_page import count, earlier, write
from recipes.command_line import command_of

OUTPUTS = 2
# The largest error that an exact kernel may have, by the least precise arithmetic in the network's own forward pass; it
# may have twice the error of a loop of plain autograd in the network's own dtype, if that is more.
EXACT = {"float64": 1e-10, "float32": 1e-5}
# A gate at its threshold may be open in one float32 pass and closed in another, and neither is wrong: a kernel that is
# off is looked at on other samples, where a fault would show again.
DRAWS = {"float64": 1, "float32": 5}
# The largest change of J against its norm that another batch makes by its rounding, with gates at their thresholds.
KEPT = {torch.float64: 1e-6, torch.float32: 1e-3}
SELECTIONS: tuple[Literal["full", "trace"], ...] = ("full", "trace")


def sweep(
    out: str = "docs/results/sweep",
    nets: str = "*",
    limit: float = 120.0,
    again: bool = False,
    dtype: Literal["float64", "float32"] = "float64",
    samples: int = 3,
    device: str = "cpu",
    jobs: int = 2,
) -> None:
    """Compare the kernel by `auto` with a float64 loop of plain autograd on every network; write json and a page.

    Args:
        out: folder of sweep.json and README.md; networks that it holds of this commit are not measured again
        nets: shell patterns of networks, parted by commas: 'timm/*vit*,torchvision/*'
        limit: seconds after which a network is given up
        again: also measure networks that the json holds of this commit
        dtype: of the network and its kernel
        samples: how many the kernel is of
        device: auto, cpu or cuda, where networks, kernels and the loop compute
        jobs: networks at once, each in a process of its own on one thread
    """
    device = device_of(device)
    about = environment(device, 1)
    about["versions"] |= {name: version(name) for name in ("torchvision", "timm") if find_spec(name)}
    results = earlier(Path(out))
    commit = about["commit"]
    kind = {"dtype": dtype, "samples": samples, "device": device}
    if results["networks"] and any(results[key] != value for key, value in kind.items()):
        held = f"a sweep in {results['dtype']} of {results['samples']} samples on {results['device']}"
        raise ValueError(f"out is {out!r}, which holds {held}; allowed: another folder, or a sweep of that kind")
    done = {name for name, record in results["networks"].items() if record["commit"] == commit and not again}
    todo = [name for name in match(nets) if name not in done]
    check_installed(todo)
    results |= {"command": command_of("recipes.checks.sweep"), "environment": about, **kind}
    work = functools.partial(check, dtype=dtype, samples=samples, device=device)
    for i, (name, record) in enumerate(outcomes(work, todo, limit, jobs), 1):
        record |= {"commit": commit, "verdict": verdict(record)}
        results["networks"][name] = record
        print(f"{i}/{len(todo)} {name}: {record['verdict']} {record.get('reason', '')}", flush=True)
        write(results, Path(out))
    print(f"\n{count(results['networks'])}\nwritten to {out}")


def check(name: str, tell: Tell, dtype: str = "float64", samples: int = 3, device: str = "cpu") -> None:
    """Check one network in this process: first the loops, on copies, then ntk, then whether the net is unchanged."""
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    net, shape = build(name, OUTPUTS, getattr(torch, dtype))
    net.to(device)
    tell({"parameters": sum(p.numel() for p in net.parameters()), "shape": shape})
    state = copy.deepcopy(net.state_dict())
    for draw in range(DRAWS[dtype]):
        x = torch.randn(samples, *shape, dtype=getattr(torch, dtype)).to(device)
        told: Record = {"precision": precision(net, x), "draws": draw + 1, "stage": "the loop"}
        tell(told)
        plain, right, seconds = loops(net, x)
        tell({"loop_seconds": seconds, "stage": "ntk"})
        for outputs in SELECTIONS:
            kernel, own = (contract(jacobian.double(), outputs == "trace") for jacobian in (right, plain))
            told[outputs] = compare(net, x, outputs, kernel) | {"loop_error": largest_error(own, kernel)}
            tell({outputs: told[outputs]})
        if all(told[outputs].get("error", 0.0) < allowed(told, told[outputs]) for outputs in SELECTIONS):
            break
    tell({"stage": "the net afterwards", "kept": is_kept(net, state, x, plain)})
    tell({"algorithm": {outputs: algorithm(net, x, outputs) for outputs in SELECTIONS}, "stage": "done"})


def loops(net: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, float]:
    """J by a loop of plain autograd in the net's own dtype, J in float64, and the seconds of the first."""
    start = time.perf_counter()
    plain = loop_jacobian(copy.deepcopy(net), x)
    synchronise(x.device.type)
    seconds = time.perf_counter() - start
    right = plain if x.dtype == torch.float64 else loop_jacobian(copy.deepcopy(net).double(), x.double())
    return plain, right, seconds


def compare(net: nn.Module, x: Tensor, outputs: Outputs, right: Tensor) -> Record:
    """The seconds, largest error and warnings of one kernel, or the message of a refusal, or a crash's last line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        try:
            kernel = ntk(net, x, outputs=outputs)
            synchronise(x.device.type)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1].filename
            refused = isinstance(error, ValueError) and "/hpnets/" in where
            return {"refused" if refused else "crashed": str(error) if refused else last_line(error)}
        seconds = time.perf_counter() - start
    said = sorted({f"{warning.category.__name__}: {warning.message}"[:300] for warning in caught})
    return {"seconds": seconds, "error": largest_error(kernel, right), "warnings": said}


def is_kept(net: nn.Module, state: dict[str, Tensor], x: Tensor, jacobian: Tensor) -> bool:
    """Whether parameters and buffers have the same bits, and a backward pass gives the same gradients as before."""
    same = all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    try:
        change = (loop_jacobian(net, x[:2])[0] - jacobian[0]).norm()
    except RuntimeError:  # a tensor that forward had stored on the net has lost its graph
        return False
    return same and bool(change <= KEPT[x.dtype] * jacobian[0].norm())


def algorithm(net: nn.Module, x: Tensor, outputs: Outputs) -> str:
    """The plan's algorithm; "none" if no plan can be made."""
    try:
        return plan(net, x, outputs=outputs).algorithm
    except Exception:
        return "none"


def verdict(record: dict[str, Any]) -> str:
    """The verdict, one of VERDICTS in sweep_page; the reason for it is put into the record."""
    parts = {outputs: record.get(outputs, {}) for outputs in SELECTIONS}
    if record.get("stage", "build") in ("build", "the loop"):
        record["reason"] = record.get("ended", "")
        return "no reference"
    for kind in ("crashed", "refused"):
        if reasons := {f"{outputs}: {part[kind]}" for outputs, part in parts.items() if kind in part}:
            record["reason"] = "; ".join(sorted(reasons))
            return kind
    made = {outputs: part for outputs, part in parts.items() if "error" in part}
    if wrong := {outputs: part["error"] for outputs, part in made.items() if not part["error"] < allowed(record, part)}:
        record["reason"] = ", ".join(f"{outputs} off by {error:.1e}" for outputs, error in wrong.items())
        return "wrong"
    if record.get("kept") is False:
        record["reason"] = "the net is changed afterwards"
        return "wrong"
    if "ended" in record:
        record["reason"] = f"{record['stage']}: {record['ended']}"
        return "over the time limit" if record["ended"].startswith("stopped after") else "crashed"
    return "exact"


def allowed(record: Record, part: Record) -> float:
    """The error that an exact kernel may have."""
    return max(EXACT[record["precision"]], 2 * part.get("loop_error", 0.0))


if __name__ == "__main__":
    run_command(sweep)

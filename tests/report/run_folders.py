"""Run folders and studies written by hand, as small as their readers allow."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from hpnets.atomic_files import write_json, write_tensors, write_text

HEAD = "step,lr,ntk/decay_window_start,ntk/decay_window_stop,ntk/drift,ntk/effective_rank"
HEAD += ",train/loss,val/accuracy,val/loss"
ROWS = "0,0.1,1,4,0.0,3.5,,,\n9,0.1,,,,,2.5,0.4,2.0\n18,0.05,1,4,0.5,3.0,,{},1.0\n"


def write_run(folder: Path, accuracy: float = 0.9, seed: int = 0, **model: Any) -> Path:
    """A finished run of ccp on digits, with every file that a report reads."""
    options = {"model": {"name": "ccp", "degree": 2, "product": "hadamard", **model}, "task": {"name": "digits"}}
    write_text(folder / "config.yaml", yaml.safe_dump({**options, "wandb": {"mode": "off"}, "seed": seed}))
    write_json(folder / "env.json", {"command": "train", "versions": {"hpnets": "0.1.0"}, "cores": 2})
    write_text(folder / "metrics.csv", f"{HEAD}\n{ROWS.format(accuracy)}")
    summary: dict[str, Any] = {"model": "ccp", "task": "digits", "parameters": 1234, "steps": 18, "seconds": 1.5}
    summary |= {"kernel": {"drift": 0.5, "effective_rank": 3.0}, "best": {"val/accuracy": 0.8}, "sha256": "0" * 64}
    write_json(folder / "summary.json", {**summary, "metrics": {"test/loss": 0.3, "test/accuracy": accuracy}})
    write_text(folder / "warnings.txt", "2 x UserWarning: a warning of <the> run\n")
    write_kernel(folder, seed)
    return folder


def write_kernel(folder: Path, seed: int) -> None:
    """The kernel's track, the probe set and the predictions of a run of 6 probe samples in 3 classes."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(6, 9, generator=generator, dtype=torch.float64)
    kernel = features @ features.T
    spectra = torch.linalg.eigvalsh(kernel).flip(0).expand(2, -1).clone()
    first_last = {"kernel_first": kernel, "kernel_last": 2 * kernel}
    write_tensors(folder / "ntk.safetensors", {"steps": torch.tensor([0, 18]), "spectra": spectra, **first_last})
    x, labels = torch.rand(6, 1, 4, 4, generator=generator), torch.arange(6) % 3
    write_tensors(folder / "probe.safetensors", {"x": x, "y": torch.eye(3)[labels], "indices": torch.arange(6)})
    outputs = 4 * torch.eye(3)[labels]
    outputs[1] = torch.tensor([3.0, 0.0, 0.0])  # a sample of class 1 that is taken for class 0
    told = {"outputs": outputs, "targets": labels, "rows": torch.arange(10, 16)}
    write_tensors(folder / "predictions.safetensors", told)


def write_study(folder: Path, **changed: Any) -> Path:
    """A study of one claim and one picture."""
    claim = {"says": "It holds <always>", "measured": "1 +- 0", "verdict": "reproduced", "seeds": 3}
    figure = {"title": "A figure", "text": "Its text.", "head": [], "rows": [], "picture": "figure.svg"}
    page: dict[str, Any] = {"name": "toy", "title": "A toy", "source": "nobody", "abstract": ["One.", "Two."]}
    page |= {"command": "hpnets study toy", "seconds": 3.5, "claims": [claim], "figures": [figure], "cells": []}
    write_json(folder / "results.json", {**page, **changed})
    write_text(folder / "figure.svg", '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    return folder


def cut(path: Path, bytes_left: int) -> None:
    """Leave the first bytes of a file, as a full disk would."""
    path.write_bytes(path.read_bytes()[:bytes_left])


def change(path: Path, **values: Any) -> None:
    """Change values of a json file."""
    write_json(path, {**json.loads(path.read_text()), **values})

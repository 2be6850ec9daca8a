"""The run folder: where each file of a run lies, and how the folder is begun and finished."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from hpnets.atomic_files import check_writable, remove_partial, sha256_of, write_json, write_tensors, write_text
from hpnets.environment import environment
from hpnets.options import RunOptions
from hpnets.training.build import complete
from hpnets.training.errors import FolderTaken
from hpnets.training.read_back import read_options, read_summary


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run; docs/concepts/run-folder.md says what each file holds."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def env(self) -> Path:
        return self.path / "env.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def kernel(self) -> Path:
        return self.path / "ntk.safetensors"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def probe(self) -> Path:
        return self.path / "probe.safetensors"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.safetensors"

    @property
    def warnings(self) -> Path:
        return self.path / "warnings.txt"

    @property
    def picture(self) -> Path:
        return self.path / "picture.png"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    def start(self, options: RunOptions) -> None:
        """Create the folder with config.yaml and env.json; raises FolderTaken if it holds something already.

        `checkpoints` is made first, which succeeds in one process only, so that two runs never share a folder.
        """
        self.check_new()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir()
            self._write_config(options)
            write_json(self.env, environment())
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            raise ValueError(f"out is {str(self.path)!r}, which cannot be written: {error}") from None

    def go_on(self, options: RunOptions) -> None:
        """Make the folder that of a run that has not ended, with these options, which may be new."""
        remove_partial(self.path)
        for result in (self.summary, self.weights):
            result.unlink(missing_ok=True)
        if complete(self.options()) != options:
            self._write_config(options)

    def _write_config(self, options: RunOptions) -> None:
        write_text(self.config, yaml.safe_dump(options.to_dict(), sort_keys=False))

    def check_new(self) -> None:
        """Raise FolderTaken if the folder exists and is not empty, ValueError if it cannot be made."""
        check_writable("out", self.path)
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise self._taken()

    def _taken(self) -> FolderTaken:
        return FolderTaken(f"out is {str(self.path)!r}, which exists already; continue it with --resume {self.path}")

    def options(self) -> RunOptions:
        """The options in config.yaml; raises ValueError if it is missing, or does not hold options of a run."""
        if not os.path.isfile(self.config):  # Path.is_file would raise for a name that is too long
            raise ValueError(f"{str(self.path)!r} is no run folder: there is no {self.config}")
        return read_options(self.config)

    def finish(self, net: nn.Module, summary: dict[str, Any]) -> dict[str, Any]:
        """Write model.safetensors, then summary.json with its hash; returns the summary."""
        write_tensors(self.weights, net.state_dict())
        summary = {**summary, "sha256": sha256_of(self.weights)}
        write_json(self.summary, summary)
        return summary

    def read_summary(self) -> dict[str, Any]:
        """The summary of a finished run; raises ValueError if the run has not ended, or the file is damaged."""
        self.options()
        if not self.summary.is_file():
            raise ValueError(f"the run in {str(self.path)!r} has not ended; continue it with --resume {self.path}")
        return read_summary(self.summary)

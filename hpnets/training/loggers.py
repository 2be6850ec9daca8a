"""metrics.csv is written atomically, and a resumed run continues it exactly."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from hpnets.atomic_files import write_text

WRITE_SECONDS = 30.0


class MetricsCSV(Logger):
    """Writes metrics.csv, one row a step: `step`, then every key ever logged, sorted; a missing value is empty.

    Lightning's CSVLogger, by contrast, appends in place, and deletes the file of a run that it continues.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[int, dict[str, float]] = {}

    name = "csv"
    version = ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        values = {key: float(value) for key, value in metrics.items() if key != "epoch"}
        self.rows.setdefault(step or 0, {}).update(values)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds the hyper-parameters."""

    @rank_zero_only
    def write(self) -> None:
        """Write the file with all rows so far."""
        keys = sorted({key for row in self.rows.values() for key in row})
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *keys], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"step": step, **self.rows[step]} for step in sorted(self.rows))
        write_text(self.path, text.getvalue())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.write()


class MetricsState(pl.Callback):
    """Keeps the rows of a MetricsCSV in every checkpoint, so that a resumed run goes on from these rows.

    It has the file written at each epoch's end, and in a long epoch every 30 s.
    """

    def __init__(self, logger: MetricsCSV) -> None:
        self.logger, self._written = logger, time.monotonic()

    def on_train_batch_end(self, *_: Any) -> None:
        if time.monotonic() - self._written > WRITE_SECONDS:
            self._write()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._write()

    def _write(self) -> None:
        self.logger.write()
        self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": dict(self.logger.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.logger.rows = state_dict["rows"]

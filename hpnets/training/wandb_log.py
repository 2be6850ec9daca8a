"""wandb beside the run folder; it never stops or corrupts a run."""

import hashlib
import netrc
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from hpnets.atomic_files import read_json
from hpnets.options import WandbOptions
from hpnets.training.loggers import MetricsCSV
from hpnets.training.track import KernelTrack
from hpnets.training.wandb_content import SPECTRUM, histogram, log_spectra, log_weights

Mode = Literal["online", "offline", "off", "auto"]
STEP = "trainer/global_step"  # as Lightning's WandbLogger logs it


def resolve_mode(mode: Mode) -> Mode:
    """The mode in effect: "online", "offline" or "off".

    "auto" follows WANDB_MODE, else it is "online" if a key is found, else "offline"; "online" without a key is
    "offline".
    """
    asked = os.environ.get("WANDB_MODE")
    if mode == "auto" and asked in ("offline", "disabled"):
        return "offline" if asked == "offline" else "off"
    if mode in ("auto", "online") and not _has_key():
        if mode == "online":
            warnings.warn("wandb: no key found (WANDB_API_KEY, or `wandb login`); logging offline", stacklevel=2)
        return "offline"
    return "online" if mode == "auto" else mode


class WandbLog(Logger):
    """A WandbLogger that warns at its first failure and then does nothing more; metrics.csv has everything anyway.

    options.mode is "online" or "offline"; config is what wandb shows beside the content of env.json.
    """

    def __init__(self, folder: Path, options: WandbOptions, config: dict[str, Any]) -> None:
        super().__init__()
        self.folder, self.options, self.config = folder, options, config
        self.env = folder / "env.json"
        self.mode = options.mode
        self.failed = False
        self._inner: WandbLogger | None = None
        self._row: dict[str, Any] = {}  # what was logged at `_step` and is not sent yet
        self._step: int | None = None

    name = "wandb"
    version = ""

    @property
    def inner(self) -> WandbLogger:
        """The started logger; if it does not start online, it is started offline."""
        if self._inner is None:
            try:
                self._inner = self._start(self.mode, self._id())
            except Exception as error:
                if self.mode == "offline":
                    raise
                warnings.warn(f"wandb: {error}; logging offline", stacklevel=2)
                self._inner = self._start("offline", None)  # without the id, which wandb keeps from the failed start
        return self._inner

    def _start(self, mode: Mode, identifier: str | None) -> WandbLogger:
        import wandb

        self.mode = mode
        run = wandb.init(
            project=self.options.project or os.environ.get("WANDB_PROJECT", "hpnets"),
            name=self.options.name or self.folder.name,
            group=self.options.group,
            tags=self.options.tags or None,
            id=identifier,
            resume="allow" if identifier else None,
            dir=str(self.folder),
            mode="online" if mode == "online" else "offline",
            config={**self.config, "environment": read_json(self.env) if self.env.is_file() else {}},
            settings=wandb.Settings(console="off", silent=True, init_timeout=30),
        )
        run.define_metric(STEP)
        run.define_metric("*", step_metric=STEP, step_sync=True)
        return WandbLogger(experiment=run)

    def _id(self) -> str | None:
        """An id that is the same for a run and its continuation: env.json is written once, when the run starts."""
        return hashlib.sha256(self.env.read_bytes()).hexdigest()[:16] if self.env.is_file() else None

    def _try(self, action: Callable[[WandbLogger], object]) -> None:
        if not self.failed:
            try:
                action(self.inner)
            except Exception as error:
                self.failed = True
                warnings.warn(f"wandb: {error}; it is left out of the rest of this run", stacklevel=3)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None, spectrum: Tensor | None = None) -> None:
        """Log metrics, and a measured spectrum (rows,) as the histogram "ntk/eigenvalues".

        All that is logged at one step is one row of wandb, sent when a later step's first metrics come or the run ends:
        wandb can plot against each other only what stands in one row.
        """
        self._try(lambda inner: self._add(inner, _with_histogram(metrics, spectrum), step))

    def _add(self, inner: WandbLogger, values: dict[str, Any], step: int | None) -> None:
        if step != self._step:
            self._send(inner)
        self._row, self._step = {**self._row, **values}, step

    def _send(self, inner: WandbLogger) -> None:
        row, self._row = self._row, {}
        if row:
            inner.log_metrics(row, self._step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the whole config is passed at the start."""

    @rank_zero_only
    def log_picture(self, picture: Path, step: int) -> None:
        """Log a png file as the image "picture"."""
        self._try(self._send)
        self._try(lambda inner: inner.log_image("picture", [str(picture)], step))

    @rank_zero_only
    def log_past(self, rows: dict[int, dict[str, float]], spectra: dict[int, Tensor]) -> None:
        """Offline, log what the run had logged before it was resumed, so that its newest part holds the whole of it."""
        self._try(lambda inner: self._log_past(inner, rows, spectra) if self.mode == "offline" else None)

    def _log_past(self, inner: WandbLogger, rows: dict[int, dict[str, float]], spectra: dict[int, Tensor]) -> None:
        for step in sorted({*rows, *spectra}):
            inner.log_metrics(_with_histogram(rows.get(step, {}), spectra.get(step)), step)

    @rank_zero_only
    def log_results(self, kernel: Path, weights: Path) -> None:
        """Log the spectra over time as a plot and, when online, the weights as an artifact."""
        self._try(self._send)
        self._try(lambda inner: log_spectra(inner, kernel))
        if self.mode == "online":
            self._try(lambda inner: log_weights(inner, weights))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the wandb run as failed if a fit has; after a success the results are still to come, then `close`."""
        if status == "failed" and self._inner is not None:
            self.close(exit_code=1)

    @rank_zero_only
    def close(self, exit_code: int = 0) -> None:
        """End the wandb run and upload the rest."""
        self._try(self._send)
        self._try(lambda inner: inner.experiment.finish(exit_code=exit_code))


class WandbPast(pl.Callback):
    """Gives wandb the rows and spectra from the checkpoint that a fit resumes; it comes before what measures."""

    def __init__(self, metrics: MetricsCSV, track: Callable[[], KernelTrack]) -> None:
        self.metrics, self.track = metrics, track

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        track = self.track()
        for logger in trainer.loggers:
            if isinstance(logger, WandbLog) and self.metrics.rows:
                logger.log_past(self.metrics.rows, dict(zip(track.steps, track.spectra, strict=True)))


def _with_histogram(metrics: dict[str, float], spectrum: Tensor | None) -> dict[str, Any]:
    return dict(metrics) if spectrum is None else {**metrics, SPECTRUM: histogram(spectrum)}


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    host = urlparse(os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False

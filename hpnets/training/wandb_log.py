"""wandb beside the run folder; it never stops or corrupts a run."""

import hashlib
import netrc
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import torch
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from hpnets.atomic_files import read_tensors

Mode = Literal["online", "offline", "off", "auto"]


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
    """A WandbLogger that warns at its first failure and then does nothing more; metrics.csv has everything anyway."""

    def __init__(self, folder: Path, mode: Mode, config: dict[str, Any]) -> None:
        super().__init__()
        self.folder, self.mode, self.config = folder, mode, config
        self.failed = False
        self._inner: WandbLogger | None = None

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
        settings = wandb.Settings(console="off", silent=True, init_timeout=30)
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "hpnets"),
            name=self.folder.name,
            id=identifier,
            resume="allow" if identifier else None,
            dir=str(self.folder),
            mode="online" if mode == "online" else "offline",
            config=self.config,
            settings=settings,
        )
        return WandbLogger(experiment=run)

    def _id(self) -> str | None:
        """An id that is the same for a run and its continuation: env.json is written once, when the run starts."""
        env = self.folder / "env.json"
        return hashlib.sha256(env.read_bytes()).hexdigest()[:16] if env.is_file() else None

    def _try(self, action: Callable[[WandbLogger], object]) -> None:
        if not self.failed:
            try:
                action(self.inner)
            except Exception as error:
                self.failed = True
                warnings.warn(f"wandb: {error}; it is left out of the rest of this run", stacklevel=3)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._try(lambda inner: inner.log_metrics(metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the whole config is passed at the start."""

    @rank_zero_only
    def log_picture(self, picture: Path, step: int) -> None:
        """Log a png file as the image "picture"."""
        self._try(lambda inner: inner.log_image("picture", [str(picture)], step))

    @rank_zero_only
    def log_results(self, kernel: Path, weights: Path) -> None:
        """Log the spectrum over time as a plot and, when online, the weights as an artifact."""
        self._try(lambda inner: _log_spectrum(inner, kernel))
        if self.mode == "online":
            self._try(lambda inner: _log_weights(inner, weights))

    @rank_zero_only
    def close(self) -> None:
        """End the wandb run and upload the rest; Lightning's finalize would come too early, before the results."""
        self._try(lambda inner: inner.experiment.finish())


def _log_spectrum(inner: WandbLogger, kernel: Path) -> None:
    import wandb

    if not kernel.is_file():
        return
    track = read_tensors(kernel)
    spectra, steps = track["spectra"].clamp_min(1e-30).log10(), track["steps"].tolist()
    shown = torch.linspace(0, len(steps) - 1, min(len(steps), 8)).round().long().unique().tolist()
    plot = wandb.plot.line_series(
        xs=list(range(1, spectra.shape[1] + 1)),
        ys=[spectra[i].tolist() for i in shown],
        keys=[f"step {steps[i]}" for i in shown],
        title="NTK spectrum: log10 eigenvalue by rank",
        xname="rank",
    )
    inner.experiment.log({"ntk/spectrum": plot})


def _log_weights(inner: WandbLogger, weights: Path) -> None:
    import wandb

    artifact = wandb.Artifact(f"{weights.parent.name}-weights", type="model")
    artifact.add_file(str(weights))
    inner.experiment.log_artifact(artifact)


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    host = urlparse(os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False

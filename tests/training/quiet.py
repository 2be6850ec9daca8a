"""A trainer for fits within a test."""

from typing import Any

import lightning.pytorch as pl


def quiet_trainer(*callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """A trainer on the CPU with these options of Lightning's, which prints, logs and keeps nothing."""
    off = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
    return pl.Trainer(**{"accelerator": "cpu", **dict.fromkeys(off, False), **options}, callbacks=list(callbacks))

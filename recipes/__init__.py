"""The commands of a checkout: train.py and evaluate.py for users, modules in the folders for maintainers."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

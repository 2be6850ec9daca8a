"""The commands of a checkout: train.py, evaluate.py and study.py for users, and folders of modules for maintainers."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

"""Papers as studies, one folder a paper, and the parts that they are made of; `hpnets study NAME` runs one."""

import pkgutil
from importlib import import_module

from hpnets.registry import nearest
from hpnets.study import Paper

__all__ = ["list_papers", "load_paper"]


def list_papers() -> list[str]:
    """The names of all papers: the folders beside this file, but for that of their parts."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg and module.name != "parts")


def load_paper(name: str) -> Paper:
    """The paper of that name; ValueError with the nearest names for an unknown one. Imports no torch."""
    if name not in list_papers():
        raise ValueError(f"unknown paper {name!r}; {nearest(name, list_papers())}")
    paper: Paper = import_module(f"{__name__}.{name}").PAPER
    return paper

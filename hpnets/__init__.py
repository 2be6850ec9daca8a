"""Hadamard-product networks in PyTorch Lightning, with their neural tangent kernel measured while they train."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpnets.models import list_models, register_model
    from hpnets.tasks import create_task, list_tasks, register_task
    from hpnets.zoo import create_model, list_pretrained, load_pretrained

__version__ = "0.1.0"
__all__ = [
    "create_model",
    "create_task",
    "list_models",
    "list_pretrained",
    "list_tasks",
    "load_pretrained",
    "register_model",
    "register_task",
]

_HOME = {"model": "hpnets.models", "task": "hpnets.tasks", "pretrained": "hpnets.zoo"}


def __getattr__(name: str) -> Any:
    """Import torch only when a name is used, so that a command line answers `--help` at once (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'hpnets' has no attribute {name!r}")
    home = "hpnets.zoo" if name == "create_model" else _HOME[name.rsplit("_", 1)[-1].removesuffix("s")]
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Models by name. Each takes `input_shape` and `output_dim`; its other options are plain types with defaults."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from hpnets.layers import at_least
from hpnets.registry import Registry

_MODELS: Registry[nn.Module] = Registry("model")
_FROM_TASK = ("input_shape", "output_dim")


def register_model(name: str) -> Callable[[type], type]:
    """Class decorator: enter an nn.Module under `name`; ValueError if the name is taken or a shape argument missing."""

    def enter(cls: type) -> type:
        missing = [key for key in _FROM_TASK if key not in inspect.signature(cls).parameters]
        if missing:
            raise ValueError(f"model {name!r} lacks the constructor arguments {', '.join(missing)}")
        return _MODELS.register(name)(cls)

    return enter


def create_model(name: str, *, input_shape: tuple[int, ...] | list[int], output_dim: int, **options: Any) -> nn.Module:
    """Build the model `name` for samples of `input_shape` (no batch axis) and outputs (N, output_dim).

    Raises ValueError with the nearest names for an unknown model or option, or for an option out of range.
    """
    if not input_shape or not all(isinstance(size, int) and size >= 1 for size in input_shape):
        raise ValueError(f"input_shape is {tuple(input_shape)}; allowed: one or more sizes >= 1")
    at_least("output_dim", output_dim, 1)
    return _MODELS.create(name, input_shape=tuple(input_shape), output_dim=output_dim, **options)


def list_models(pattern: str = "*") -> list[str]:
    """Sorted names of the registered models that match a shell pattern such as "*ccp*"."""
    return _MODELS.names(pattern)


def model_class(name: str) -> type[nn.Module]:
    """The class that is registered as `name`; raises ValueError with the nearest names."""
    return _MODELS.get(name)


def generates_pictures(name: str) -> bool:
    """Whether `name` maps latents to pictures, which is trained against a discriminator; ValueError if unknown."""
    return getattr(_MODELS.get(name), "generates_pictures", False)


def model_options(name: str) -> dict[str, inspect.Parameter]:
    """The options of `name` beside the two that a task fills in."""
    return {key: p for key, p in _MODELS.options(name).items() if key not in _FROM_TASK}

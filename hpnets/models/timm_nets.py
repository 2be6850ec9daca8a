"""timm's networks by name, "timm/resnet18": built for a task's shapes, their weights drawn anew; timm is optional."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import Annotated, Any

import torch
from torch import nn

from hpnets.option_sets import Option
from hpnets.validate import finite, image_shape, require

PREFIX = "timm/"
LISTED = f"those that `hpnets models '{PREFIX}*'` lists"


def _rate(name: str, value: float) -> float:
    require(0 <= finite(name, value, minimum=0) < 1, name, value, "a number >= 0 and < 1")
    return float(value)


Dropout = Annotated[float, Option("dropout before the head, in training", _rate)]
DropPath = Annotated[float, Option("residual branches dropped by sample, in training", _rate)]


def is_timm(name: object) -> bool:
    """Whether a model's name, or a pattern of names, is one of timm's."""
    return isinstance(name, str) and name.startswith(PREFIX)


def timm_names(pattern: str) -> list[str]:
    """The names that match a pattern such as "timm/resnet*", sorted; ValueError if timm is not installed."""
    return sorted(f"{PREFIX}{name}" for name in _timm(pattern).list_models(pattern.removeprefix(PREFIX)))


def timm_maker(name: str) -> Callable[..., nn.Module]:
    """The function (input_shape, output_dim, options) that builds `name`; ValueError if timm has no such network."""
    timm, own = _timm(name), name.removeprefix(PREFIX)
    if not timm.is_model(own):
        close = get_close_matches(own, timm.list_models(), n=3)
        near = f"did you mean {' or '.join(PREFIX + c for c in close)}?" if close else f"allowed: {LISTED}"
        raise ValueError(f"unknown model {name!r}; {near}")

    def make(
        input_shape: tuple[int, ...], output_dim: int, drop_rate: Dropout = 0.0, drop_path_rate: DropPath = 0.0
    ) -> nn.Module:
        rates = {"drop_rate": _rate("drop_rate", drop_rate), "drop_path_rate": _rate("drop_path_rate", drop_path_rate)}
        shape = image_shape(input_shape, 1)
        net = _built(name, partial(timm.create_model, own, pretrained=False), shape, output_dim, rates)
        return _tried(name, net, shape, output_dim)

    make.__doc__ = f"{own} of timm, its weights drawn anew."
    return make


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ImportError:
        raise ValueError(f"model is {name!r}, which needs timm, and it is not installed: pip install timm") from None
    return timm


def _built(
    name: str, create: Callable[..., nn.Module], shape: tuple[int, int, int], output_dim: int, rates: dict[str, float]
) -> nn.Module:
    """The network; img_size is given to the architectures that take it, and rates that are 0 are left out."""
    rates = {key: rate for key, rate in rates.items() if rate}
    options: dict[str, Any] = {"in_chans": shape[0], "num_classes": output_dim, **rates}
    try:
        return _but_for(create, "img_size", shape[1:], options)
    except TypeError as error:
        wrong = next((key for key in rates if f"'{key}'" in str(error)), None)
        if wrong is None:
            raise _refusal(name, shape, error) from error
        raise ValueError(f"{wrong} is {rates[wrong]}; allowed for {name!r}, which has none: 0") from None
    except (RuntimeError, AssertionError, ValueError, ZeroDivisionError, IndexError) as error:
        raise _refusal(name, shape, error) from error


def _but_for(create: Callable[..., nn.Module], key: str, value: Any, options: dict[str, Any]) -> nn.Module:
    """create(key=value, **options), without the key where the architecture does not know it."""
    try:
        return create(**{key: value}, **options)
    except TypeError as error:
        if f"'{key}'" not in str(error):
            raise
    return create(**options)


def _tried(name: str, net: nn.Module, shape: tuple[int, int, int], output_dim: int) -> nn.Module:
    """`net`, after one forward pass of two black images, which shows whether it takes images of this size."""
    try:
        with torch.no_grad():
            y = net.eval()(torch.zeros(2, *shape))
    except Exception as error:  # an architecture may fail on a size in any way
        raise _refusal(name, shape, error) from error
    fits = y.ndim == 2 and output_dim in (0, y.shape[1])
    require(fits, "input_shape", shape, f"for {name!r} images that it maps to (N, {output_dim})")
    return net.train()


def _refusal(name: str, shape: tuple[int, int, int], error: Exception) -> ValueError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(f"input_shape is {shape}; allowed for {name!r}: sizes that it takes; it says: {reason}")

"""Models by name. Each takes `input_shape` and `output_dim`; its other options are plain types with defaults."""

import inspect
from collections.abc import Callable
from functools import partial
from inspect import Parameter
from typing import Annotated, Any

from torch import nn

from hpnets.layers import SampleShape
from hpnets.layers.branches import POWERS, branches, depth_scalings, scale_branches
from hpnets.layers.init import INITS, redraw
from hpnets.layers.parametrisation import (
    Drawn,
    apply_scalings,
    drawn,
    mup_scalings,
    ntk_scalings,
)
from hpnets.models.head import reset_head, with_head
from hpnets.models.options import choice, count
from hpnets.models.timm_nets import is_timm, timm_maker, timm_names
from hpnets.option_sets import Option, declared, option_docs
from hpnets.registry import ClassRegistry
from hpnets.validate import at_least, one_of


class ModelRegistry(ClassRegistry[nn.Module]):
    """The models by name; timm's answer to "timm/NAME", without an entry each."""

    def get(self, name: str) -> Callable[..., nn.Module]:
        return timm_maker(name) if is_timm(name) else super().get(name)


_MODELS = ModelRegistry("model")
_FROM_TASK = ("input_shape", "output_dim")
Build = Callable[..., nn.Module]
WIDTHS_ALONE = ("standard", "ntk", "mup")
PARAMETRISATIONS = (*WIDTHS_ALONE, *POWERS)
_WITH_BASE = ("mup", *POWERS)
_PARAMETRISATION = choice(
    "standard is the model's own; ntk and mup change with the width, depth_mup and completep with the depth too",
    PARAMETRISATIONS,
)
_BASE_WIDTH = count("with mup and its kin, the width at which it is the model's own; null is the default width")
_INIT = choice("how weights are drawn; own is as the model says", INITS)


def register_model(name: str) -> Callable[[type], type]:
    """Class decorator: enter an nn.Module under `name`; ValueError if the name is taken or a shape argument missing."""

    def enter(cls: type) -> type:
        missing = [key for key in _FROM_TASK if key not in inspect.signature(cls).parameters]
        if missing:
            raise ValueError(f"model {name!r} lacks the constructor arguments {', '.join(missing)}")
        _MODELS.register(name)(with_head(cls))
        return cls

    return enter


def create_model(
    name: str,
    *,
    input_shape: tuple[int, ...] | list[int],
    output_dim: int,
    parametrisation: Annotated[str, _PARAMETRISATION] = "standard",
    base_width: Annotated[int | None, _BASE_WIDTH] = None,
    init: Annotated[str, _INIT] = "own",
    **options: Any,
) -> nn.Module:
    """Build the model `name` for samples of `input_shape` (no batch axis) and outputs (N, output_dim).

    output_dim: 0 leaves the head out, so that the outputs are the features (N, F) that it would be given.
    parametrisation: "standard" (the model's own), "ntk" or "mup", for models with a `width`; "mup" is the model's own
    at base_width, an option of "mup" and its kin; None is the default width (docs/concepts/parametrisation.md).
    "depth_mup" and "completep" are "mup" with residual branches times L^(-1/2) and 1 / L, for models with branches.
    init: how the weights of linear layers and convolutions are drawn: "own" (as the model says), or "normal", "uniform"
    or "orthogonal" with the same root mean square.

    Raises ValueError with the nearest names for an unknown model or option, or for an option out of range.
    """
    sizes = list(input_shape) if isinstance(input_shape, list | tuple) else []
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise ValueError(f"input_shape is {input_shape!r}; allowed: one or more sizes >= 1")
    at_least("output_dim", output_dim, 0)
    one_of("init", init, INITS)
    build = partial(_MODELS.create, name, input_shape=tuple(input_shape), output_dim=output_dim or 1, **options)
    width = _MODELS.options(name).get("width")
    _check_parametrisation(name, parametrisation, base_width, width)
    net = build()
    net.scalings, net.drawn = {}, init  # type: ignore[assignment]  # read by `hpnets.theory`
    if init != "own":
        redraw(net, init, drawn(build))
    checked = SampleShape(tuple(input_shape), getattr(net, "least_side", None))
    net.register_forward_pre_hook(checked, with_kwargs=True)
    if width is not None and parametrisation != "standard":
        _parametrise(net, parametrisation, build, options.get("width", width.default), base_width or width.default)
    own = partial(create_model, name, input_shape=tuple(input_shape), parametrisation=parametrisation, **options)
    net.rebuild = partial(own, base_width=base_width, init=init)  # type: ignore[assignment]  # read by `reset_head`
    if output_dim == 0:
        reset_head(net, 0)
    return net


def _check_parametrisation(name: str, kind: str, base_width: int | None, width: Parameter | None) -> None:
    """ValueError for an unknown parametrisation, one that needs a width, or a base width that it would not use."""
    one_of("parametrisation", kind, PARAMETRISATIONS)
    if base_width is not None:
        at_least("base_width", base_width, 1)
    if width is None and (kind != "standard" or base_width is not None):
        raise ValueError(f"parametrisation is {kind!r}; allowed for {name!r}, which has no width: standard")
    if width is not None and kind not in _WITH_BASE and base_width not in (None, width.default):
        allowed = ", ".join(_WITH_BASE)
        raise ValueError(f"base_width is {base_width} with parametrisation {kind!r}; allowed: with {allowed} alone")


def _parametrise(net: nn.Module, parametrisation: str, build: Build, width: int | None, base: int | None) -> None:
    """Put a parametrisation on `net`, which `build` makes at `width`; a width of None is that of the model's size."""
    if parametrisation in POWERS and not branches(net):
        allowed = f"allowed for {type(net).__name__}, which has no residual branches: {', '.join(WIDTHS_ALONE)}"
        raise ValueError(f"parametrisation is {parametrisation!r}; {allowed}")
    own = drawn(build)
    if parametrisation == "ntk":
        return apply_scalings(net, ntk_scalings(net, own, _elsewhere(build, own, width)))
    narrow = drawn(partial(build, width=base))
    if narrow.keys() != own.keys():
        raise ValueError(f"base_width is {base}; allowed: one at which the model has the same parameters by name")
    scalings = mup_scalings(net, own, narrow)
    if power := POWERS.get(parametrisation):
        scalings = depth_scalings(net, scalings, power)
        scale_branches(net, power)
    apply_scalings(net, scalings)


def _elsewhere(build: Build, own: dict[str, Drawn], width: int | None) -> dict[str, Drawn]:
    """The parameters at another width than `own` has: at 2 * width, or without a width at 16, or 32 if 16 is own's."""
    wider = drawn(partial(build, width=2 * width if width else 16))
    same = all(wider[name].shape == own[name].shape for name in own)
    return drawn(partial(build, width=32)) if same and width is None else wider


def list_models(pattern: str = "*", option: str | None = None) -> list[str]:
    """Sorted names of the registered models that match a shell pattern such as "*ccp*" and have `option`, if given.

    A pattern that begins with "timm/" lists timm's instead.
    `list_models(option="product")` are the Hadamard families: each is an additive twin with product="sum".
    """
    names = timm_names(pattern) if is_timm(pattern) else _MODELS.names(pattern)
    return [name for name in names if option is None or option in model_options(name)]


def model_summary(name: str) -> str:
    """What the model `name` is, in one line; raises ValueError for an unknown name."""
    return _MODELS.summary(name)


def model_class(name: str) -> type[nn.Module]:
    """The class that is registered as `name`; raises ValueError with the nearest names, and for functions."""
    entry = _MODELS.get(name)
    if not isinstance(entry, type):
        raise ValueError(f"model {name!r} is made by a function; allowed: models with a class")
    return entry


def generates_pictures(name: str) -> bool:
    """Whether `name` maps latents to pictures, which is trained against a discriminator; ValueError if unknown."""
    return getattr(_MODELS.get(name), "generates_pictures", False)


def model_options(name: str) -> dict[str, Parameter]:
    """The options of `name` beside the two that a task fills in, and those of `create_model` that go with it."""
    options = {key: p for key, p in _MODELS.options(name).items() if key not in _FROM_TASK}
    extra = declared(create_model)
    if "width" not in options:
        return {**options, "init": extra["init"]}
    base = extra["base_width"].replace(default=options["width"].default)
    return {**options, "parametrisation": extra["parametrisation"], "base_width": base, "init": extra["init"]}


def model_option_docs(name: str) -> dict[str, Option]:
    """What each of `model_options` is, in a line, and what it allows, of those that are declared with a text."""
    docs = {**_MODELS.option_docs(name), **option_docs(create_model)}
    return {key: docs[key] for key in model_options(name) if key in docs}

"""The head of a network, the one linear layer that gives its outputs: what it is given, and another in its place."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.validate import at_least


def head_name(net: nn.Module) -> str:
    """The name of the head: what the class says in `head_name`, else the last linear layer.

    Raises ValueError for a network without one, such as a generator of pictures.
    """
    linear = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    name = getattr(net, "head_name", linear[-1] if linear else None)
    if name is None:
        raise ValueError(f"{type(net).__name__} has no head: no one linear layer gives its outputs; allowed: others")
    return name


def forward_features(net: nn.Module, x: Tensor) -> Tensor:
    """The features (N, F) of x (N, *input_shape): the outputs of `net` with nothing in the place of its head.

    Raises ValueError for a network without a head, and if the head is not run exactly once.
    """
    head, given = net.get_submodule(head_name(net)), list[Tensor]()
    # The hooks come before those of a parametrisation, which scale the input.
    hooks = [
        head.register_forward_pre_hook(lambda _, args: given.append(args[0]), prepend=True),
        head.register_forward_hook(lambda *_: given[-1]),
    ]
    try:
        features = net(x)
    finally:
        for hook in hooks:
            hook.remove()
    if len(given) != 1:
        raise ValueError(f"the head {head_name(net)!r} of {type(net).__name__} ran {len(given)} times; allowed: once")
    return features


def reset_head(net: nn.Module, output_dim: int) -> None:
    """Give `net`, made by `create_model`, a new head of output_dim outputs, drawn as the model draws it; 0: none.

    Without a head the network's outputs are its features. Raises ValueError for a network without a head, or one that
    `create_model` has not made.
    """
    at_least("output_dim", output_dim, 0)
    if callable(reset := getattr(net, "reset_classifier", None)):  # of timm
        reset(output_dim)
        return
    name, rebuild = head_name(net), getattr(net, "rebuild", None)
    if rebuild is None:
        raise ValueError(f"net is a {type(net).__name__} that create_model has not made; allowed: what it has made")
    kept = {key: value for key, value in _scalings(net).items() if not key.startswith(f"{name}.")}
    head: nn.Module = nn.Identity()
    if output_dim > 0:
        new = rebuild(output_dim=output_dim)
        head, kept = new.get_submodule(name).to(next(net.parameters(), torch.empty(0))), _scalings(new)
    net.set_submodule(name, head)
    net.head_name, net.scalings = name, kept  # type: ignore[assignment]


def _scalings(net: nn.Module) -> dict[str, Any]:
    return getattr(net, "scalings", {})


def with_head(cls: type) -> type:
    """Class decorator: give a network the methods `forward_features` and `reset_head`, unless it has its own."""
    for method in (forward_features, reset_head):
        if not hasattr(cls, method.__name__):
            setattr(cls, method.__name__, method)
    return cls

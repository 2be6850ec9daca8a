"""What a followed tensor is made of, which it holds as an attribute: parameters alone, or samples too."""

from torch import Tensor

_NAME = "_hpnets_origin"
# The parameters that a tensor is made of, none for a constant; None if it depends on samples.
Origin = dict[str, Tensor] | None


def origin(t: Tensor) -> Origin:
    """The origin of a tensor; an unmarked tensor with a graph may depend on samples, so it counts as such."""
    if _NAME in (attributes := t.__dict__):
        return attributes[_NAME]
    return None if t.requires_grad else {}


def mark(t: Tensor, made_of: Origin) -> Tensor:
    """The tensor itself, marked with its origin."""
    t.__dict__[_NAME] = made_of
    return t

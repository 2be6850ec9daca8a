"""When weights have a share in the graph of a form."""

from torch import Tensor


def needs_share(input: Tensor, weights: tuple[Tensor | None, ...], to_leaves: bool) -> bool:
    """Whether the gradient of a weight may be asked for, which of leaves it is only if `to_leaves`.

    Where the input is a constant, a share alone shows in the graph that the result depends on parameters.
    """
    leaves_too = to_leaves or not input.requires_grad
    return any(w is not None and w.requires_grad and (leaves_too or not w.is_leaf) for w in weights)

"""Tensors that a network trains but does not own: kernels of net.parameters() would leave out their share."""

import torch
from torch import Tensor, nn

from hpnets.ntk._failures import RefusalError
from hpnets.ntk._functional import Params, own_parameters, plain_call


def check_reach(net: nn.Module, params: Params, x: Tensor) -> None:
    """RefusalError if net(x) depends on a leaf that requires gradients and is none of the network's parameters.

    Such are parameters of modules in a plain list, of a closure, or of another network.
    """
    with own_parameters(net, params), torch.enable_grad():
        y = plain_call(net, x)
        foreign = _foreign_leaf(y, {id(p) for p in net.parameters()})
    if foreign is not None:
        raise RefusalError(
            f"net depends on a tensor {tuple(foreign.shape)} with requires_grad that net.parameters() does not reach: "
            "register it (nn.Parameter, nn.ParameterList, nn.ModuleList), or detach it"
        )


def _foreign_leaf(y: Tensor, known: set[int]) -> Tensor | None:
    """A leaf of y's graph whose id is not known; None if there is none."""
    nodes, seen = [y.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor) and id(leaf) not in known:
            return leaf
        nodes += [after for after, _ in node.next_functions]
    return None

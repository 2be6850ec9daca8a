"""Tensors that a network trains but does not own: kernels of net.parameters() would leave out their share."""

from torch import Tensor, nn

from hpnets.ntk._failures import RefusalError


def check_reach(net: nn.Module, y: Tensor) -> None:
    """RefusalError if y, the network's output in its graph, depends on a leaf that is none of its parameters.

    Such are parameters of modules in a plain list, of a closure, or of another network.
    """
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

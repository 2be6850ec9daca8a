"""Parameters that an output depends on but net.parameters() does not show: the kernel would miss their share."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.autograd.graph import Node

from hpnets.ntk._failures import RefusalError


def check_reach(net: nn.Module, y: Tensor) -> None:
    """Raise RefusalError if the network's output y, in its graph, depends on parameters that cannot be differentiated.

    Parameters of modules in a plain list, of a closure or of another network are not in net.parameters(); those inside
    a reentrant checkpoint are not in the graph, so that torch.autograd.grad takes them for unused.
    """
    known = {id(p) for p in net.parameters()}
    for node in graph_nodes([y]):
        kind = type(node).__name__  # node.name() takes five times as long
        if kind == "CheckpointFunctionBackward":
            raise RefusalError(
                "net has a reentrant checkpoint, which torch.autograd.grad does not reach into; allowed: "
                "checkpoint(..., use_reentrant=False)"
            )
        if kind != "AccumulateGrad":
            continue
        leaf = node.variable  # type: ignore[attr-defined]
        if isinstance(leaf, nn.Parameter) and id(leaf) not in known:
            raise RefusalError(
                f"net depends on a parameter {tuple(leaf.shape)} that net.parameters() does not reach: register it "
                "(nn.Parameter, nn.ParameterList, nn.ModuleList), or detach it"
            )


def graph_nodes(values: Sequence[Tensor]) -> Iterator[Node]:
    """The nodes of the graphs that the values were computed by, each once."""
    waiting, seen = [value.grad_fn for value in values], set[Node]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [after for after, _ in node.next_functions]

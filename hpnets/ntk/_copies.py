"""Copies of a network that share nothing with it."""

import copy

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from hpnets.ntk._functional import any_scripted
from hpnets.ntk._reach import graph_nodes


def copied(net: nn.Module) -> nn.Module:
    """A deep copy of `net`; of tensors that it keeps of a pass, such as pruned weights, it has the values alone.

    A closure, or an object that cannot be copied, may still compute with the parameters of `net`: see `check_apart`.
    """
    kept = tree_leaves([list(vars(module).values()) for module in net.modules()])
    values = {id(t): t.detach().clone() for t in kept if isinstance(t, Tensor) and not t.is_leaf}
    with torch.no_grad():  # else the parameters of a torch.jit module's copy are no leaves
        other = copy.deepcopy(net, values)
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        q.requires_grad_(p.requires_grad)  # which torch.jit's copy has lost
    return other


def frozen_copy(net: nn.Module) -> nn.Module:
    """A copy whose parameters require no gradient; ValueError for a network that holds a torch.jit module."""
    if any_scripted(list(net.modules())):
        raise ValueError("net holds a torch.jit module, whose parameters cannot be frozen; allowed: torch.nn modules")
    return copied(net).requires_grad_(False)


def check_apart(net: nn.Module, y: Tensor) -> None:
    """Raise ValueError if y, which a copied part of `net` gave in grad mode, depends on parameters that net has not."""
    if torch._C._functorch.get_dynamic_layer_stack_depth():  # there is no graph within torch.func's transforms
        return
    known = {id(p) for p in net.parameters()}
    leaves = (node.variable for node in graph_nodes([y]) if type(node).__name__ == "AccumulateGrad")  # type: ignore[attr-defined]
    if any(isinstance(leaf, nn.Parameter) and id(leaf) not in known for leaf in leaves):
        raise ValueError(
            "the copy of net computes with parameters of net itself, which a closure or an object without a copy "
            "holds: let forward read them from the module (self.layer)"
        )

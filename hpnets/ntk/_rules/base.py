"""A rule: how one kind of layer turns its input A and its output gradient G into gradients of its parameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# A module of a class that a rule is registered for; each class has attributes of its own, hence Any.
Module = Any
_RULES: dict[type[nn.Module], "Rule"] = {}
# From so many scalars of one output's gradients on, products output by output are quicker than one of a copy.
SEPARATE = 2**16


class Rule(ABC):
    """Gives per-sample gradients of a layer's own parameters, from what a forward hook and a backward pass see.

    Shapes: A (rows, ...) is the layer's input, g (C, rows, ...) the gradient of C outputs at the layer's output; rows
    are samples, or k rows a sample (windows, patches) in sample-major order.
    A rule may be wrong about a module, such as a subclass that changes `forward`. Its gradients are proven against
    autograd on the samples that it is used for, so a wrong rule costs at most the slow path.
    """

    parameters: tuple[str, ...] = ("weight", "bias")

    @abstractmethod
    def applies(self, module: Module, A: Tensor) -> bool:
        """Whether inputs of A's shape are batched in the way that this rule expects."""

    @abstractmethod
    def prepare(self, module: Module, A: Tensor) -> Tensor:
        """What `gradients` needs of A, computed once for all outputs."""

    @abstractmethod
    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        """The gradients by local name, each (C, rows, numel) in the order of the parameter; P is from `prepare`."""

    def sample_gradients(self, module: Module, P: Tensor, g: Tensor, n: int) -> dict[str, Tensor]:
        """The gradients of n samples, (C, n, numel): each is the sum over the sample's rows."""
        return {name: fold_rows(J, n) for name, J in self.gradients(module, P, g).items()}


class OuterRule(Rule):
    r"""A layer whose weight gradient is a sum of outer products over positions: dW[h, i] = sum_s G[h, s] P[s, i].

    P (rows, q, S, I) are the positions' inputs, G (C, rows, q, H, S) their output gradients, q the groups. So
    <dW, dW'> = sum_st (P_s . P'_t) (G_s . G'_t), and the gradient itself need not be formed. A rule whose gradient is
    not weight(dW) beside the bias's overrides `sample_gradients`, which `gradients` follows.
    """

    @abstractmethod
    def prepare(self, module: Module, A: Tensor) -> Tensor:
        """P (rows, q, S, I)."""

    @abstractmethod
    def channels(self, module: Module, g: Tensor) -> Tensor:
        """G (C, rows, q, H, S)."""

    @abstractmethod
    def bias(self, module: Module, g: Tensor) -> Tensor:
        """The gradient of the bias, (C, rows, numel)."""

    def weight(self, W: Tensor) -> Tensor:
        """dW (C, rows, q, H, I) as (C, rows, numel), in the order of the parameter's scalars."""
        return W.flatten(2)

    def scalars(self, b: Tensor) -> Tensor:
        """The bias's gradient (..., H), given by unit, in the order of the parameter's scalars."""
        return b

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return self.sample_gradients(module, P, g, len(P))

    def sample_gradients(self, module: Module, P: Tensor, g: Tensor, n: int) -> dict[str, Tensor]:
        # A sample's rows become positions before the product: a gradient for each row would take more memory.
        G, P = fold_channels(self.channels(module, g), n), fold_positions(P, n)
        gradients = {"weight": self.weight(outer(G, P))}
        if "bias" in self.parameters and getattr(module, "bias", None) is not None:
            gradients["bias"] = fold_rows(self.bias(module, g), n)
        return gradients


def outer(G: Tensor, P: Tensor) -> Tensor:
    """sum_s G[..., h, s] P[..., s, i], (C, rows, q, H, I), by one product a sample for all outputs together.

    For the products of all outputs G is copied, which takes longer than products output by output if G is large.
    """
    C, n, q, H, S = G.shape
    if q == 1 and G.stride(3) == 1 == P.stride(3) and n * S * H >= SEPARATE:
        J = G.new_empty(C, n, q, H, P.shape[3])
        for c in range(C):
            torch.bmm(G[c, :, 0], P[:, 0], out=J[c, :, 0])
        return J
    if G.stride(3) < G.stride(4):  # as after a Linear layer: copied so that units stay next to each other
        stacked = G.permute(1, 2, 4, 0, 3).reshape(n * q, S, C * H).transpose(1, 2)
    else:
        stacked = G.permute(1, 2, 0, 3, 4).reshape(n * q, C * H, S)
    return torch.bmm(stacked, P.flatten(0, 1)).view(n, q, C, H, -1).permute(2, 0, 1, 3, 4)


class BiasRule(Rule):
    """The rule of an outer rule's bias alone, which keeps nothing of A."""

    def __init__(self, rule: OuterRule) -> None:
        self.rule = rule

    def applies(self, module: Module, A: Tensor) -> bool:
        return self.rule.applies(module, A)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A[:0]

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {"bias": self.rule.bias(module, g)}


def register_rule(*kinds: type[nn.Module]) -> Callable[[type[Rule]], type[Rule]]:
    """Class decorator that uses a rule for these classes and their subclasses; ValueError if one has a rule already."""

    def enter(cls: type[Rule]) -> type[Rule]:
        rule = cls()
        for kind in kinds:
            if kind in _RULES:
                raise ValueError(f"{kind.__name__} has a rule already: {type(_RULES[kind]).__name__}")
            _RULES[kind] = rule
        return cls

    return enter


def rule_for(module: nn.Module) -> Rule | None:
    """The rule of the nearest class that `module` inherits from, or None."""
    return next((_RULES[kind] for kind in type(module).__mro__ if kind in _RULES), None)


def fold_positions(P: Tensor, n: int) -> Tensor:
    """P (n k, q, S, I) as (n, q, k S, I): the k rows of a sample become positions."""
    return P if len(P) == n else P.unflatten(0, (n, -1)).transpose(1, 2).flatten(2, 3)


def fold_channels(G: Tensor, n: int) -> Tensor:
    """G (C, n k, q, H, S) as (C, n, q, H, k S)."""
    return G if G.shape[1] == n else G.unflatten(1, (n, -1)).permute(0, 1, 3, 4, 2, 5).flatten(-2)


def fold_rows(J: Tensor, n: int) -> Tensor:
    """J (C, n k, p) summed over the k rows of a sample: (C, n, p)."""
    return J if J.shape[1] == n else J.unflatten(1, (n, -1)).sum(2)


def is_batched(A: Tensor, ndim: int) -> bool:
    """Whether A holds floating-point numbers on `ndim` axes, as many as it has with a batch axis."""
    return torch.is_floating_point(A) and A.ndim == ndim

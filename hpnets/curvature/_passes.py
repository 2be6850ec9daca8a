"""The graphs through which products are made: each is built by one gradient, and kept while products follow."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from hpnets.curvature._loss import Loss, NetworkLoss
from hpnets.ntk import Params, graph_nodes

# Operations that have no second derivative somewhere: their graph's nodes, and what people call them.
KINKS = {
    "ReluBackward": "relu",
    "LeakyReluBackward": "leaky_relu",
    "PreluKernelBackward": "prelu",
    "RreluWithNoiseBackward": "rrelu",
    "HardtanhBackward": "hardtanh",
    "HardswishBackward": "hardswish",
    "HardsigmoidBackward": "hardsigmoid",
    "SoftshrinkBackward": "softshrink",
    "HardshrinkBackward": "hardshrink",
    "ThresholdBackward": "threshold",
    "AbsBackward": "abs",
    "SgnBackward": "sgn",
    "ClampBackward": "clamp",
    "ClampMinBackward": "clamp",
    "ClampMaxBackward": "clamp",
    "MaxPool": "max_pool",
    "AdaptiveMaxPool": "max_pool",
    "MaximumBackward": "maximum",
    "MinimumBackward": "minimum",
    "MaxBackward": "max",
    "MinBackward": "min",
    "AmaxBackward": "amax",
    "AminBackward": "amin",
    "SmoothL1LossBackward": "smooth_l1_loss",
    "HuberLossBackward": "huber_loss",
    "EluBackward": "elu",
    "CeluBackward": "celu",
}


class Pass(Protocol):
    """The products of one batch, and the gradient of its loss, parameter by parameter."""

    kinks: tuple[str, ...]

    @property
    def gradient(self) -> list[Tensor]: ...

    def product(self, v: Sequence[Tensor]) -> list[Tensor]:
        """The matrix times v, parameter by parameter."""
        ...


class HessianPass:
    """H v of a scalar by a second backward pass through the graph of its gradient g: the derivative of <g, v>.

    Of g only its places in the graph are kept, not its numbers, of which there are as many as parameters.
    """

    def __init__(self, loss: Loss, params: Params, block: Sequence[str], batch: Any) -> None:
        self._take(_scalar(loss(params, batch)), [params[name] for name in block])

    def _take(self, scalar: Tensor, leaves: list[Tensor]) -> None:
        self.scalar, self.leaves, self.kinks = scalar, leaves, kinks(scalar)
        self.edges = {i: get_gradient_edge(g) for i, g in _differentiated(scalar, leaves).items() if g.requires_grad}

    @property
    def gradient(self) -> list[Tensor]:
        return gradient_of(self.scalar, self.leaves)

    def product(self, v: Sequence[Tensor]) -> list[Tensor]:
        return self.columns({i: v[i] for i in self.edges})

    def columns(self, v: Mapping[int, Tensor]) -> list[Tensor]:
        """H v for a v that is 0 in all leaves but those named by their number."""
        if not v:  # a loss that is linear in the parameters
            return [torch.zeros_like(p) for p in self.leaves]
        return _backward([self.edges[i] for i in v], self.leaves, list(v.values()))


def check_curved(made: HessianPass) -> None:
    """Raise ValueError if H v is 0 for a random v while the loss has kinks, which then have all of its curvature.

    The leaves' parts of v take turns, the smallest first, which mostly says it without as much memory as a product.
    """
    if not made.kinks:
        return
    generator = torch.Generator().manual_seed(0)
    for i in sorted(made.edges, key=lambda i: made.leaves[i].numel()):
        p = made.leaves[i]
        v = torch.randn(p.shape, dtype=p.dtype, generator=generator).to(p.device)
        if any(bool(t.any()) for t in made.columns({i: v})):
            return
    raise ValueError(
        "the loss is not twice differentiable where it matters: elsewhere its second derivative is 0, and what "
        f"curvature it has is in the kinks of {', '.join(made.kinks)}; allowed: a smooth criterion or activation"
    )


class ResidualPass(HessianPass):
    r"""R v for R = sum_o (dL/df_o) d^2 f_o / dtheta^2: the Hessian of <c, f> with the constants c = dL/df."""

    def __init__(self, loss: NetworkLoss, params: Params, block: Sequence[str], batch: Any) -> None:
        inputs, targets = batch
        f, leaves = loss.outputs(params, inputs), [params[name] for name in block]
        _, c = _criterion_gradient(loss, f, targets)
        c = c.detach()
        if not f.requires_grad:
            raise _no_dependence()
        self._take((c * f).sum(), leaves)


class GaussNewtonPass:
    r"""G v = J^T (H_f (J v)), J = df/dtheta (outputs, P) and H_f the Hessian of the criterion in the outputs f.

    J v is the derivative of <J^T w, v> with respect to w, so forward mode is not needed.
    """

    def __init__(self, loss: NetworkLoss, params: Params, block: Sequence[str], batch: Any) -> None:
        inputs, targets = batch
        self.leaves = [params[name] for name in block]
        self.f = loss.outputs(params, inputs)
        if not self.f.requires_grad:
            raise _no_dependence()
        self.free, self.slope = _criterion_gradient(loss, self.f, targets)
        self.kinks = kinks(self.f, self.slope)
        self.w = torch.zeros_like(self.f, requires_grad=True)
        pulled = torch.autograd.grad(self.f, self.leaves, self.w, create_graph=True, allow_unused=True)
        self.edges = {i: get_gradient_edge(g) for i, g in enumerate(pulled) if g is not None and g.requires_grad}
        if not self.edges:
            raise _no_dependence()

    @property
    def gradient(self) -> list[Tensor]:
        return self.pull(self.slope.detach())

    def product(self, v: Sequence[Tensor]) -> list[Tensor]:
        if not self.slope.requires_grad:  # a criterion that is linear in the outputs
            return [torch.zeros_like(p) for p in self.leaves]
        (bent,) = _backward([self.slope], [self.free], [self.push(v)])
        return self.pull(bent)

    def push(self, v: Sequence[Tensor]) -> Tensor:
        """J v, of the shape of f."""
        return _backward(list(self.edges.values()), [self.w], [v[i] for i in self.edges])[0]

    def pull(self, w: Tensor) -> list[Tensor]:
        """J^T w by parameter."""
        return _backward([self.f], self.leaves, [w])


def check_pushed(made: GaussNewtonPass) -> None:
    """Raise ValueError if <w, J v> is not <J^T w, v> for a random w and v, up to a hundredth of |J v| and rounding."""
    generator = torch.Generator().manual_seed(0)
    v, (w,) = (
        [torch.randn(t.shape, dtype=t.dtype, generator=generator).to(t.device) for t in like]
        for like in (made.leaves, [made.f])
    )
    moved, pulled = made.push(v), made.pull(w)
    error = abs(float((w * moved).sum()) - sum(float((g * t).sum()) for g, t in zip(pulled, v, strict=True)))
    norms = [sum(float(t.square().sum()) for t in tensors) ** 0.5 for tensors in (pulled, v)]
    if error > 0.01 * float(moved.norm()) + 1e3 * torch.finfo(w.dtype).eps * norms[0] * norms[1]:
        raise ValueError(
            "the network has a backward pass whose derivative is wrong, as that of a torch.autograd.Function that cuts "
            "its gradients from the graph; allowed: a backward pass of differentiable operations, on ctx.saved_tensors"
        )


def _criterion_gradient(loss: NetworkLoss, f: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
    """The outputs as a leaf, and the criterion's gradient there, in a graph."""
    free = f.detach().requires_grad_(True)
    return free, _differentiated(_scalar(loss.criterion(free, targets)), [free])[0]


def _scalar(value: object) -> Tensor:
    if not isinstance(value, Tensor) or value.numel() != 1:
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
        raise ValueError(f"the loss has {what}; allowed: one number, such as the mean over samples")
    if not torch.isfinite(value).all():
        raise ValueError(f"the loss is {float(value.detach())}, so that its curvature would hold NaN or Inf")
    if not value.requires_grad:
        raise _no_dependence()
    return value.reshape(())


def _no_dependence() -> ValueError:
    return ValueError("the loss does not depend on the parameters asked for; allowed: parameters that it uses")


def gradient_of(scalar: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """The gradient by parameter."""
    return _backward([scalar], leaves, [torch.ones_like(scalar)])


def _differentiated(scalar: Tensor, leaves: list[Tensor]) -> dict[int, Tensor]:
    """The gradient in a graph, by the number of the leaf; without the leaves that the scalar does not use."""
    grads = torch.autograd.grad(scalar, leaves, create_graph=True, allow_unused=True)
    if all(g is None for g in grads):
        raise _no_dependence()
    return {i: g for i, g in enumerate(grads) if g is not None}


def _backward(
    outputs: Sequence[Tensor] | Sequence[GradientEdge], leaves: Sequence[Tensor], v: Sequence[Tensor]
) -> list[Tensor]:
    """sum_i (d outputs_i / d leaf)^T v_i for each leaf; ValueError for a backward pass without a derivative."""
    try:
        return list(torch.autograd.grad(outputs, leaves, v, retain_graph=True, materialize_grads=True))
    except (RuntimeError, NotImplementedError) as error:
        if "out of memory" in str(error) or "allocate" in str(error):
            raise
        raise ValueError(f"the loss is not twice differentiable: {str(error).splitlines()[0]}") from error


def kinks(*values: Tensor) -> tuple[str, ...]:
    """The operations in the graphs of `values` that lack a second derivative at some points, by name.

    Raises ValueError for a batch norm in train mode, of whose module a loss that is any function shows nothing else,
    and for a reentrant checkpoint, which hides its parameters.
    """
    nodes = list(graph_nodes(values))
    if any(node.name() == "CheckpointFunctionBackward" for node in nodes):
        raise ValueError("the loss has a reentrant checkpoint; allowed: checkpoint(..., use_reentrant=False)")
    if any(map(_couples_samples, nodes)):
        raise ValueError("the loss has a BatchNorm in train mode; allowed: eval mode, as net.eval() sets it")
    names = {node.name() for node in nodes}
    return tuple(sorted({word for name in names for start, word in KINKS.items() if name.startswith(start)}))


def _couples_samples(node: Node) -> bool:
    """Whether a node is a batch norm in train mode; an instance norm is one too, of a single row."""
    if "BatchNorm" not in node.name() or not getattr(node, "_saved_training", False):
        return False
    return len(node._saved_input) > 1  # type: ignore[attr-defined]

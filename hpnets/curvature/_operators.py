"""Curvature as a symmetric linear operator that is never stored, in the protocol of hpnets.linalg."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hpnets.curvature._batches import check_fits, check_mean, parts_of_batches
from hpnets.curvature._loss import Loss, NetworkLoss
from hpnets.curvature._passes import GaussNewtonPass, HessianPass, Pass, ResidualPass, check_curved, check_pushed
from hpnets.curvature._proof import check_second_derivative
from hpnets.curvature._weights import Weights, root_of
from hpnets.linalg import product
from hpnets.ntk import Params, Rngs, check_eval_mode, drawn_outcomes, parse_bytes, settings_of, undisturbed
from hpnets.patterns import matching

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

_norm = torch.linalg.vector_norm
# A loss that draws is called under so many seeds.
DRAWS = 20
# The product by parameter, and the vector that it is written to.
VECTORS = 2
MakePass = Callable[[Any, Params, Sequence[str], Any], Pass]


class CurvatureOperator:
    r"""A (P, P) = D^1/2 M D^1/2 by products, M = H, G or R of `hessian`, `gauss_newton` or `residual`.

    Rows follow the parameters of `names`, each flattened. Parameter values are read at each product, so a training step
    between two products changes A. The graph of one batch is kept between products; of several, or after a step, it is
    built anew. kinks: operations of the loss that lack a second derivative at some points, such as relu: there A is
    that of the smooth piece in which the parameters lie.
    """

    def __init__(
        self,
        make: MakePass,
        loss: Loss,
        params: Params,
        batches: tuple[Any, ...],
        weights: Weights | None,
        block: str | None,
        memory: str | float | None,
        group: "dist.ProcessGroup | None",
        verify: bool = False,
    ) -> None:
        self._net = loss.net if isinstance(loss, NetworkLoss) else nn.Module()
        check_eval_mode(self._net)
        self.names = tuple(params) if block is None else tuple(matching("block", block, params))
        self.dtype, self.device = _check_params(params)
        self._make, self._loss, self._given, self._group = make, loss, params, group
        rows = sum(params[name].numel() for name in self.names)
        self.shape = (rows, rows)
        self._root = self._root_of(weights)
        self._parts = parts_of_batches(batches, group)
        self._kept: tuple[object, Pass] | None = None
        budget = None if memory is None else parse_bytes(memory)
        with undisturbed(self._net, self.device), torch.enable_grad():
            if group is not None or len(batches) > 1:
                check_mean(lambda batch: loss(params, batch), batches[0])
            if isinstance(loss, NetworkLoss) and budget is not None:
                vectors = VECTORS * rows * torch.finfo(self.dtype).bits // 8
                check_fits(self._build, self._parts[0].batch, vectors, budget)
            rngs = Rngs(self._net.modules(), self.device)
            before = rngs.state()
            first = self._pass(self._parts[0].batch)
            if rngs.state() != before:
                self._check_repeats(rngs)
            if type(first) is HessianPass:
                check_curved(first)
            if isinstance(first, GaussNewtonPass):
                check_pushed(first)
            if verify and isinstance(loss, NetworkLoss):
                check_second_derivative(loss, params, self.names, self._parts[0].batch)
        self.kinks = first.kinks

    def weighted(self, weights: Weights | None) -> "CurvatureOperator":
        """The same M with other weights D, on the same graph, which is not made again."""
        other = copy.copy(self)
        other._root = self._root_of(weights)
        return other

    def matvec(self, v: Tensor) -> Tensor:
        """A v (P,) for v (P,), in the operator's dtype."""
        if v.shape != self.shape[:1]:
            raise ValueError(f"v has shape {tuple(v.shape)}; allowed: ({self.shape[0]},)")
        return self.matmat(v[:, None])[:, 0]

    def matmat(self, v: Tensor) -> Tensor:
        """A V (P, k) for V (P, k), in the operator's dtype, vector by vector through one graph."""
        if v.ndim != 2 or v.shape[0] != self.shape[0]:
            raise ValueError(f"V has shape {tuple(v.shape)}; allowed: ({self.shape[0]}, k)")
        v = v.detach().to(self.device, self.dtype)
        return self._mean([partial(self._product, v=column) for column in v.T])

    def gradient(self) -> Tensor:
        """D^1/2 g (P,), g the gradient of the loss: the direction of steepest descent in the coordinates of A."""
        return self._mean([_gradient])[:, 0]

    def split(self, v: Tensor) -> Params:
        """A vector (P,) by parameter, in the parameters' shapes."""
        return dict(zip(self.names, self._split(v), strict=True))

    def to_scipy(self) -> "LinearOperator":
        """The same operator for scipy.sparse.linalg, on numpy arrays of the operator's dtype; needs scipy."""
        from scipy.sparse.linalg import LinearOperator

        def multiply(v):  # type: ignore[no-untyped-def]  # numpy is no dependency of hpnets.curvature
            return self.matmat(torch.as_tensor(v.reshape(self.shape[0], -1))).cpu().numpy().reshape(v.shape)

        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        return LinearOperator(self.shape, matvec=multiply, rmatvec=multiply, matmat=multiply, dtype=dtype)

    def _mean(self, vectors: list[Callable[[Pass], list[Tensor]]]) -> Tensor:
        """D^1/2 times the weighted sum over the parts, and over the ranks, of each vector: (P, k)."""
        total: Tensor | None = None
        with undisturbed(self._net, self.device), torch.enable_grad():
            for part in self._parts:
                made = self._pass(part.batch)
                for i, vector in enumerate(vectors):
                    terms = vector(made)
                    # Only now, so that the sum takes no memory while the first product is made, which needs most.
                    total = self._zeros(len(vectors)) if total is None else total
                    for sum_, term in zip(self._split(total[i]), terms, strict=True):
                        sum_.add_(term.detach(), alpha=part.weight)
                    del terms
        total = self._zeros(0) if total is None else total
        if self._group is not None:
            dist.all_reduce(total, group=self._group)
        return (total if self._root is None else total.mul_(self._root)).T

    def _zeros(self, k: int) -> Tensor:
        return torch.zeros(k, self.shape[0], dtype=self.dtype, device=self.device)

    def _pass(self, batch: Any) -> Pass:
        """The graph of a batch; that of a single batch is kept while parameters, buffers and settings are as they were.

        Raises ValueError if the network has been put into train mode.
        """
        if len(self._parts) > 1:
            return self._build(batch)
        now = settings_of(self._net), _state_of([*self._given.values(), *self._net.buffers()])
        if self._kept is None or self._kept[0] != now:
            self._kept = None  # frees the memory first
            self._kept = now, self._build(batch)
        return self._kept[1]

    def _root_of(self, weights: Weights | None) -> Tensor | None:
        return None if weights is None else root_of(weights, {name: self._given[name] for name in self.names})

    def _build(self, batch: Any) -> Pass:
        check_eval_mode(self._net)
        values = {
            name: p if p.requires_grad and p.is_leaf else p.detach().clone().requires_grad_(name in self.names)
            for name, p in self._given.items()
        }
        return self._make(self._loss, values, self.names, batch)

    def _check_repeats(self, rngs: Rngs) -> None:
        """Raise ValueError if the loss, which draws, has other values with other random numbers."""
        values = {name: p.detach() for name, p in self._given.items()}
        outcomes = drawn_outcomes(lambda: float(self._loss(values, self._parts[0].batch)), rngs, DRAWS)
        drawn = sorted(set(outcomes))
        if len(drawn) > 1:
            raise ValueError(
                f"the loss draws at random: it is {drawn[0]:.6g}, then {drawn[-1]:.6g}; allowed: eval mode, or no draws"
            )

    def _split(self, v: Tensor) -> list[Tensor]:
        shapes = [self._given[name].shape for name in self.names]
        return [t.view(shape) for t, shape in zip(v.split([s.numel() for s in shapes]), shapes, strict=True)]

    def _product(self, made: Pass, v: Tensor) -> list[Tensor]:
        return made.product(self._split(v if self._root is None else self._root * v))


def _state_of(tensors: list[Tensor]) -> list[Any]:
    """What changes with the tensors' values: a write to p.data does not count as a new version of p."""
    versions = [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]
    sums = [f(t.detach(), dtype=torch.float64) for t in tensors if t.is_floating_point() for f in (torch.sum, _norm)]
    return [versions, torch.stack(sums).tolist() if sums else []]


def _gradient(made: Pass) -> list[Tensor]:
    return made.gradient


def hessian(
    loss: Loss,
    params: Params,
    *batches: Any,
    weights: Weights | None = None,
    block: str | None = None,
    memory: str | float | None = "1GiB",
    group: "dist.ProcessGroup | None" = None,
    verify: bool = True,
) -> CurvatureOperator:
    r"""H = d^2 L / dtheta^2 (P, P) of loss(params, batch), or D^1/2 H D^1/2 with weights.

    Args:
        loss: a function of (params, batch) that gives one number, such as `network_loss(net, criterion)`.
        params: the parameters by name; `network_loss(net, criterion).params` are the network's own.
        batches: one batch, or several, over whose samples the loss is a mean.
        weights: D by parameter, a number or a tensor of the parameter's shape, as `rate_weights` gives them.
        block: a shell pattern of parameters or modules, such as "layers.0" or "*.bias": the block H_bb of those alone.
        memory: the bytes that a product over one batch may take, of a `network_loss` (others are not foreseen); None
            foresees nothing, where it has been done before.
        group: a torch.distributed group: rank r works on the rows r::world of each batch, and every rank has the whole
            product. All ranks hold the same parameters, batches and vectors, and call together.
        verify: of a `network_loss`, check the second derivative against differences of the gradient, on four samples,
            and warn (UnprovenWarning) where they differ.

    What a loss computes under no_grad, or detaches, is constant here, as it is for its gradient. A product costs about
    two gradients in time: the graph of the gradient is kept, and differentiated again.

    Raises ValueError for BatchNorm or dropout in train mode, a loss that draws at random or has no second derivative,
    parameters of several dtypes or devices, a pattern without parameters, and a batch that does not fit, with the
    number of samples that would.
    """
    return CurvatureOperator(HessianPass, loss, params, batches, weights, block, memory, group, verify)


def gauss_newton(
    loss: Loss,
    params: Params,
    *batches: Any,
    weights: Weights | None = None,
    block: str | None = None,
    memory: str | float | None = "1GiB",
    group: "dist.ProcessGroup | None" = None,
) -> CurvatureOperator:
    r"""G = J^T H_f J (P, P), J = df/dtheta and H_f the Hessian of the criterion in the outputs f; H = G + R.

    The arguments are those of `hessian`, but that the loss must be a `network_loss`. G is positive semi-definite for a
    criterion that is convex in the outputs, such as cross-entropy.

    Raises ValueError as `hessian`, and for a network with a backward pass whose own derivative is wrong.
    """
    _check_split(loss)
    return CurvatureOperator(GaussNewtonPass, loss, params, batches, weights, block, memory, group)


def residual(
    loss: Loss,
    params: Params,
    *batches: Any,
    weights: Weights | None = None,
    block: str | None = None,
    memory: str | float | None = "1GiB",
    group: "dist.ProcessGroup | None" = None,
    verify: bool = True,
) -> CurvatureOperator:
    r"""R = sum_o (dL/df_o) d^2 f_o / dtheta^2 = H - G (P, P), the part that a linearised network does not have.

    The arguments are those of `hessian`, but that the loss must be a `network_loss`. A product costs as much as one
    with H, not as one with H and one with G.
    """
    _check_split(loss)
    return CurvatureOperator(ResidualPass, loss, params, batches, weights, block, memory, group, verify)


def directional_sharpness(operator: CurvatureOperator) -> float:
    r"""g^T A g / g^T g along the gradient g in the coordinates of A; NaN where the gradient is 0."""
    g = operator.gradient().double()
    return float(g @ product(operator, g[:, None])[:, 0] / (g @ g))


def _check_split(loss: Loss) -> None:
    if not isinstance(loss, NetworkLoss):
        raise ValueError(
            f"loss is a {type(loss).__name__}; allowed: network_loss(net, criterion), whose outputs are known apart "
            "from its criterion"
        )


def _check_params(params: Params) -> tuple[torch.dtype, torch.device]:
    """The dtype and the device of the parameters; ValueError if they have several, or are no real numbers."""
    if not params:
        raise ValueError("there is no parameter to differentiate: params is empty")
    dtypes, devices = {p.dtype for p in params.values()}, {p.device for p in params.values()}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        some = sorted(map(str, dtypes))
        raise ValueError(f"parameters have dtype {some}; allowed: all float32 or all float64: net.float()")
    if len(devices) > 1:
        raise ValueError(f"parameters are on {sorted(map(str, devices))}; allowed: one device: net.to(...)")
    return dtypes.pop(), devices.pop()

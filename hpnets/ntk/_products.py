"""Products with the Jacobian of a batch, J v and J^T w: by torch.func where it is right, else by plain autograd."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.func import jvp, vjp, vmap

from hpnets.ntk._condition import NOISE, is_faint, nearby, rounding_refusal
from hpnets.ntk._disagreement import ROUNDING, TOLERANCE
from hpnets.ntk._failures import DisprovenError, RefusalError
from hpnets.ntk._functional import BatchFunction, Params, batch_function, own_parameters, plain_call
from hpnets.ntk._independence import check_same_outputs, regrouped, working_dtype
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rngs import Rngs
from hpnets.ntk._terms.base import add_product
from hpnets.ntk._tiling import chunks, in_company, pair
from hpnets.ntk._truth import plain_gradients

# The proof of a kernel by products takes so many random vectors of each side, and looks at all pairs of them.
PROBES = 2


class Products(ABC):
    """Products of J (n, C, P), at the n samples of a batch, with k vectors at once."""

    @abstractmethod
    def pull(self, params: Params, x: Tensor, w: Tensor) -> Params:
        """J^T w by parameter, each (k, *shape), for w (k, n, C)."""

    @abstractmethod
    def push(self, params: Params, x: Tensor, v: Params) -> Tensor:
        """J v (k, n, C) for v by parameter, each (k, *shape)."""


class FunctionalProducts(Products):
    """The vjp and the jvp of torch.func, vectorised over the vectors."""

    def __init__(self, net: nn.Module, selection: OutputSelection) -> None:
        self.f: BatchFunction = batch_function(net, selection, {})

    def pull(self, params: Params, x: Tensor, w: Tensor) -> Params:
        return vmap(vjp(lambda p: self.f(p, x), params)[1])(w)[0]

    def push(self, params: Params, x: Tensor, v: Params) -> Tensor:
        return vmap(lambda t: jvp(lambda p: self.f(p, x), (params,), (t,))[1])(v)


class PlainProducts(Products):
    """Plain autograd, vector by vector, for nets that torch.func cannot transform or transforms wrongly.

    J v is the derivative of <J^T w, v> with respect to w, so no forward mode is needed. What a net computes under
    no_grad is a constant here, as it is in training, though not for jvp.
    """

    def __init__(self, net: nn.Module, selection: OutputSelection) -> None:
        self.net, self.selection = net, selection

    def pull(self, params: Params, x: Tensor, w: Tensor) -> Params:
        seeds = w @ self.selection.cotangents.T
        with own_parameters(self.net, params) as own:
            rows = [plain_gradients(self.net, own, [x], [seed])[0] for seed in seeds]
        zeros = {name: torch.zeros_like(p) for name, p in params.items()}
        return {
            name: torch.stack([zero if (g := row[name]) is None else g for row in rows]) for name, zero in zeros.items()
        }

    def push(self, params: Params, x: Tensor, v: Params) -> Tensor:
        vectors = len(next(iter(v.values())))
        return torch.stack([self._push(params, x, {name: t[k] for name, t in v.items()}) for k in range(vectors)])

    def _push(self, params: Params, x: Tensor, v: Params) -> Tensor:
        with own_parameters(self.net, params) as own, torch.enable_grad():
            y = self.selection.read(plain_call(self.net, x))
            if not y.requires_grad:
                return torch.zeros_like(y)
            try:
                return self._pushed(y, own, v)
            except (RuntimeError, NotImplementedError):  # a backward pass without a derivative of its own
                return RowProducts._pushed(y, own, v)

    @staticmethod
    def _pushed(y: Tensor, own: Params, v: Params) -> Tensor:
        w = torch.zeros_like(y, requires_grad=True)
        grads = torch.autograd.grad(y, list(own.values()), w, create_graph=True, allow_unused=True)
        moving = [(g, v[name]) for name, g in zip(own, grads, strict=True) if g is not None and g.requires_grad]
        pairs = [(g * t).sum() for g, t in moving]
        if not pairs:
            return torch.zeros_like(y)
        return torch.autograd.grad(torch.stack(pairs).sum(), w, retain_graph=True)[0].detach()


class RowProducts(PlainProducts):
    """Plain autograd with J v by a backward pass for each entry of y.

    A Function of the network's own may have a backward pass that is cut from the graph, as that of an adjoint method
    is: its derivative is then wrong, and nothing says so.
    """

    @staticmethod
    def _pushed(y: Tensor, own: Params, v: Params) -> Tensor:
        Jv = torch.zeros_like(y.detach())
        for i, c in torch.ones_like(Jv).nonzero().tolist():
            grads = torch.autograd.grad(y[i, c], list(own.values()), retain_graph=True, materialize_grads=True)
            Jv[i, c] = torch.stack([(g * v[name]).sum() for name, g in zip(own, grads, strict=True)]).sum()
        return Jv


def proven_products(net: nn.Module, params: Params, x: Tensor, selection: OutputSelection, chunk: int) -> Products:
    """The first of Functional-, Plain- and RowProducts that agrees with plain autograd on every chunk of x.

    For random w and v, J^T w is compared with J^T w of the same samples in other company, and <w, J v> with <J^T w, v>.
    Raises RefusalError if samples are coupled, in their outputs or in their gradients, or if outputs are drawn.
    """
    fast, plain = FunctionalProducts(net, selection), PlainProducts(net, selection)
    products: Products = fast
    for rows in chunks(len(x), chunk):
        w = torch.randn(rows.stop - rows.start, selection.columns, dtype=x.dtype, device=x.device)
        truth = _pulled_in_other_company(net, params, x[rows], selection, w)
        faint = is_faint(_norm(truth), selection.seeds(w))
        if faint and _noise(net, params, x[rows], selection, w, truth) > ROUNDING[x.dtype]:
            raise rounding_refusal(params, x.dtype)
        error = _error(fast, params, x[rows], w, truth)
        if error <= TOLERANCE[x.dtype]:
            continue
        largest = max(TOLERANCE[x.dtype], ROUNDING[working_dtype(net, params, x[rows])])
        noise = _error(plain, params, x[rows], w, truth)
        if noise > largest:
            plain = RowProducts(net, selection)
            noise = _error(plain, params, x[rows], w, truth)
        if noise > largest:
            if noise <= NOISE * _noise(net, params, x[rows], selection, w, truth):
                raise rounding_refusal(params, x.dtype)
            raise RefusalError(
                "net gives a sample other gradients beside others, so it couples samples: part what couples them"
            )
        products = products if error <= NOISE * noise else plain
    return products


def prove_products(
    net: nn.Module, params: Params, x1: Tensor, x2: Tensor | None, selection: OutputSelection, chunk: int
) -> None:
    """Raise DisprovenError if torch.func's products differ from plain autograd's, RefusalError as `proven_products`."""
    for x, other in ((x1, x1),) if x2 is None else ((x1, x2), (x2, x1)):
        if isinstance(proven_products(net, params, in_company(x, (other,)), selection, chunk), PlainProducts):
            raise DisprovenError(dict.fromkeys(params, "ntkvp"))


def prove_product_kernel(
    net: nn.Module,
    params: Params,
    x1: Tensor,
    x2: Tensor | None,
    selection: OutputSelection,
    kernel: Tensor,
    chunk: int,
) -> None:
    """Raise DisprovenError unless <u, K w> = <J1^T u, J2^T w> by plain autograd, for random u (N1, C) and w (N2, C).

    A trace K (N1, N2) is compared with sum_c <J1_c^T u, J2_c^T w> for u (N1, 1) and w (N2, 1). Products that are right
    alone may be wrong inside another vmap, as torch's of linalg.solve and det are. All pairs of PROBES vectors are
    compared, since one pair would miss a fault now and then, however large.
    """
    C = selection.columns
    traced = kernel.ndim == 2 and C > 1
    K = kernel if kernel.ndim == 2 else kernel.flatten(2).flatten(0, 1)
    sides = [x1] if x2 is None else [x1, x2]
    probes = [torch.randn(PROBES, len(x), 1 if traced else C, dtype=x.dtype, device=x.device) for x in sides]
    u, w = (t.transpose(1, 2).flatten(1) for t in (probes[0], probes[-1]))  # in the order of K: outputs first
    ours = u @ K @ w.T
    plain, expected, size = PlainProducts(net, selection), torch.zeros_like(ours), torch.zeros_like(ours)
    for c in range(C if traced else 1):
        seeds = [_in_column(t, c, C) for t in probes] if traced else probes
        pulled = [
            torch.stack([_pulled(plain, params, x, v, chunk) for v in own]) for x, own in zip(sides, seeds, strict=True)
        ]
        add_product(expected, pulled[0], pulled[-1])
        size += pulled[0].norm(dim=1, keepdim=True) * pulled[-1].norm(dim=1)
    error = float(((ours - expected).abs() / size.clamp(min=torch.finfo(size.dtype).tiny)).max())
    if error > ROUNDING[x1.dtype] and error > ROUNDING[working_dtype(net, params, x1)]:
        raise DisprovenError(dict.fromkeys(params, "ntkvp"))


def _in_column(t: Tensor, c: int, C: int) -> Tensor:
    """t (..., 1) as column c of zeros (..., C)."""
    wide = t.new_zeros(*t.shape[:-1], C)
    wide[..., c] = t[..., 0]
    return wide


def _pulled(plain: PlainProducts, params: Params, x: Tensor, w: Tensor, chunk: int) -> Tensor:
    """J^T w (P,), chunk by chunk, for w (n, C)."""
    total, stop = x.new_zeros(sum(p.numel() for p in params.values())), 0
    for rows in chunks(len(x), chunk):
        samples, seeds = x[rows], w[rows].clone()
        seeds[: stop - rows.start] = 0  # the chunk before has these rows already
        stop = rows.stop
        if len(samples) == 1:
            samples, seeds = pair(samples), torch.cat([seeds, torch.zeros_like(seeds)])
        total += torch.cat([g.flatten() for g in plain.pull(params, samples, seeds[None]).values()])
    return total


def _error(products: Products, params: Params, x: Tensor, w: Tensor, truth: Params) -> float:
    """The relative error of the products against `truth`, which is J^T w; infinite if torch.func raises."""
    v = {name: torch.randn_like(p) for name, p in params.items()}
    try:
        pulled = products.pull(params, x, w[None])
        pushed = float((w * products.push(params, x, {name: t[None] for name, t in v.items()})[0]).sum())
    except Exception:  # no forward mode, no batching rule, control flow on values, no functional call ..
        if isinstance(products, PlainProducts):
            raise
        return float("inf")
    error = _norm({name: pulled[name][0] - g for name, g in truth.items()})
    expected = sum(float((g * v[name]).sum()) for name, g in truth.items())
    return max(error, abs(pushed - expected)) / max(_norm(truth), torch.finfo(x.dtype).tiny)


def _norm(vector: Params) -> float:
    return sum(float(t.square().sum()) for t in vector.values()) ** 0.5


def _noise(net: nn.Module, params: Params, x: Tensor, selection: OutputSelection, w: Tensor, truth: Params) -> float:
    """How much J^T w, `truth`, depends on the last digits of samples and parameters, relative to its norm."""
    near = _pulled_in_other_company(net, *nearby(params, x), selection, w)
    return _norm({name: near[name] - g for name, g in truth.items()}) / max(_norm(truth), torch.finfo(x.dtype).tiny)


def _pulled_in_other_company(
    net: nn.Module, params: Params, x: Tensor, selection: OutputSelection, w: Tensor
) -> Params:
    """J^T w by plain autograd with each sample in other company than in x; raises RefusalError if outputs differ."""
    total, other = {name: torch.zeros_like(p) for name, p in params.items()}, x.new_empty(0)
    for batch in regrouped(len(x), x.device):
        with own_parameters(net, params) as own:
            gradients, (y,) = plain_gradients(net, own, [batch.of(x)], [selection.seeds(batch.seeds(w))])
        other = y.new_empty(len(x), y.shape[1]) if not other.numel() else other
        batch.write(other, y)
        for name, g in gradients.items():
            if g is not None:
                total[name] += g
    rngs = Rngs(net.modules(), x.device)
    before = rngs.state()
    with own_parameters(net, params):
        y = plain_call(net, x)
    check_same_outputs(net, params, x, y, other, before != rngs.state())
    return total

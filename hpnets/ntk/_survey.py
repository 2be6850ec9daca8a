"""Which layers a rule may cover: a guess from a forward and a backward pass of two samples, which the proof checks."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from hpnets.ntk._budget import numel
from hpnets.ntk._chain import separable_layers
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._layer import Geometry, Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import OuterRule, Rule, fold_channels, fold_positions, fold_rows, rule_for
from hpnets.ntk._tape import Call, Tape, record
from hpnets.ntk._tiling import pair

# Relative disagreement with autograd above which a rule is not trusted with a parameter.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
# The tensors that rules prepared from, to see which calls share one.
_Seen = list[tuple[tuple[object, ...], Tensor]]
_Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Survey:
    """What two samples showed: the layers, the parameters that no rule covers, the read-out, the separable layers.

    readout: the Linear whose output is the net's. separable: indices of layers whose units reach the read-out's inputs
    one by one. saved: scalars that autograd keeps for one sample. unused: names of
    parameters that no output depends on.
    """

    layers: tuple[Layer, ...]
    rest: tuple[str, ...]
    readout: int | None
    separable: tuple[int, ...]
    saved: int
    unused: tuple[str, ...]

    @property
    def widest(self) -> int:
        """Scalars of the largest layer's output for one sample."""
        return max((layer.outputs for layer in self.layers), default=self.saved)


def survey(net: nn.Module, theta: Params, x: Tensor, selection: OutputSelection) -> Survey:
    """Find the layers of `net` that rules may cover, on two samples of x."""
    x = pair(x)
    names = {id(p): name for name, p in net.named_parameters()}
    owners = {name: _covered(module, names, theta) for name, module in net.named_modules()}
    owners = {name: parameters for name, parameters in owners.items() if parameters}
    leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
    with _counted(leaves) as saved:
        tape = record(net, leaves, x, owners)
    edges = [call.edge for calls in tape.calls.values() for call in calls]
    truth, gradients = _random_gradients(tape, leaves, edges, selection)
    layers, rest = _agreeing(net, tape, leaves, owners, truth, dict(zip(map(id, edges), gradients, strict=True)))
    readout = next((i for i, layer in enumerate(layers) if _is_readout(layer, tape)), None)
    separable = () if readout is None else separable_layers(tape, layers, readout)
    unused = tuple(name for name, gradient in truth.items() if gradient is None)
    return Survey(layers, rest, readout, separable, saved.scalars // len(x), unused)


class _Counter:
    """Counts the distinct scalars that autograd saves, the parameters aside."""

    def __init__(self, known: set[int]) -> None:
        self.known, self.scalars = known, 0

    def pack(self, t: Tensor) -> Tensor:
        if t.layout is not torch.strided:
            self.scalars += t.numel()
        elif t.data_ptr() not in self.known:
            self.known.add(t.data_ptr())
            # An expanded tensor holds fewer scalars than it shows, a slice fewer than its storage.
            self.scalars += min(t.numel(), t.untyped_storage().nbytes() // t.element_size())
        return t


@contextmanager
def _counted(params: Params) -> Iterator[_Counter]:
    counter = _Counter({p.data_ptr() for p in params.values()})
    with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda t: t):
        yield counter


def saved_scalars(net: nn.Module, theta: Params, x: Tensor) -> int:
    """Scalars that autograd keeps of the network's own forward pass over one sample of x, at least those of the sample.

    Where the pass cannot be watched (torch.func inside forward allows no hooks): those of the sample and parameters.
    """
    x = pair(x)
    try:
        with own_parameters(net, theta), _counted(theta) as counter, torch.enable_grad():
            plain_call(net, x)
    except RuntimeError:
        return x[0].numel() + numel(theta)
    return max(counter.scalars // 2, x[0].numel())


def _covered(module: nn.Module, names: dict[int, str], theta: Params) -> _Parameters:
    """(local, net's name) of the parameters of `module` that are asked for and that its rule knows."""
    rule = rule_for(module)
    own = {local: names[id(p)] for local, p in module._parameters.items() if p is not None}
    return tuple((a, b) for a, b in own.items() if rule is not None and a in rule.parameters and b in theta)


def _agreeing(
    net: nn.Module,
    tape: Tape,
    leaves: Params,
    owners: dict[str, _Parameters],
    truth: dict[str, Tensor | None],
    at: dict[int, Tensor | None],
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Layers whose gradients agree with autograd's, `truth` by parameter and `at` by edge; and the other names."""
    groups = defaultdict(list)
    for name, parameters in owners.items():
        groups[type(rule_for(net.get_submodule(name))), parameters].append(name)
    seen: _Seen = []
    layers, agreed = [], set[str]()
    claims = [canonical for _, parameters in groups for _, canonical in parameters]
    for (_, parameters), modules in groups.items():
        calls = [call for name in modules for call in tape.calls[name]]
        rule = rule_for(net.get_submodule(modules[0]))
        assert rule is not None
        if not all(rule.applies(call.module, call.A) and len(call.A) % len(tape.y) == 0 for call in calls):
            continue
        rows = _row_gradients(rule, calls, at, len(tape.y))
        good = tuple(
            (local, name)
            for local, name in parameters
            if claims.count(name) == 1 and _agree(rows.get(local), truth[name])
        )
        if good:
            agreed |= {name for _, name in good}
            layers.append(_layer(rule, modules, good, seen, calls, len(tape.y), leaves))
    return tuple(layers), tuple(name for name in leaves if name not in agreed)


def _random_gradients(
    tape: Tape, leaves: Params, edges: list[GradientEdge], selection: OutputSelection
) -> tuple[dict[str, Tensor | None], list[Tensor | None]]:
    """Gradients of u . V^T f(x_0), u random: of the parameters, and at each edge."""
    if not tape.y.requires_grad:
        return dict.fromkeys(leaves), [None] * len(edges)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(selection.columns, generator=generator, dtype=tape.y.dtype).to(tape.y.device)
    seed = torch.zeros_like(tape.y)
    seed[0] = selection.cotangents @ u
    grads = torch.autograd.grad(tape.y, list(leaves.values()) + edges, seed, retain_graph=True, allow_unused=True)  # type: ignore[operator]
    return dict(zip(leaves, grads, strict=False)), list(grads[len(leaves) :])


def _row_gradients(rule: Rule, calls: list[Call], at: dict[int, Tensor | None], n: int) -> dict[str, Tensor]:
    """By the rule, the gradient of each local parameter from the first sample's rows alone, summed over the calls."""
    total: dict[str, Tensor] = {}
    for call in calls:
        g = at[id(call.edge)]
        if g is None:
            continue
        parts = rule.gradients(call.module, rule.prepare(call.module, call.A), g.unsqueeze(0))
        for local, J in parts.items():
            row = fold_rows(J, n)[0, 0]
            total[local] = total[local] + row if local in total else row
    return total


def _agree(row: Tensor | None, truth: Tensor | None) -> bool:
    if row is None or truth is None:
        return (truth is None or not truth.any()) and (row is None or not row.any())
    if row.numel() != truth.numel():
        return False
    error, size = (torch.linalg.vector_norm(t) for t in (row - truth.flatten(), truth))
    return bool(error <= TOLERANCE[truth.dtype] * size)


def _layer(
    rule: Rule, modules: list[str], parameters: _Parameters, seen: _Seen, calls: list[Call], n: int, leaves: Params
) -> Layer:
    prepared = [rule.prepare(call.module, call.A) for call in calls]
    return Layer(
        rule,
        tuple(modules),
        parameters,
        tuple(_source(seen, call, P) for call, P in zip(calls, prepared, strict=True)),
        _geometry(rule, calls, prepared, n),
        tuple(leaves[name].numel() for _, name in parameters),
        kept=sum(p.numel() for p in prepared) // n,
        outputs=sum(call.shape.numel() for call in calls) // n,
    )


def _geometry(rule: Rule, calls: list[Call], prepared: list[Tensor], n: int) -> Geometry | None:
    if not isinstance(rule, OuterRule) or not calls:
        return None
    P = [fold_positions(p, n) for p in prepared]
    zeros = torch.empty((1, *calls[0].shape), device="meta")
    H = fold_channels(rule.channels(calls[0].module, zeros), n).shape[3]
    return Geometry(P[0].shape[1], sum(p.shape[2] for p in P), P[0].shape[3], H)


def _source(seen: _Seen, call: Call, P: Tensor) -> int:
    """The number of this input among those seen: the same where the tensor is and what the rule made of it."""
    for i, (source, other) in enumerate(seen):
        if source == call.source and torch.equal(other, P):
            return i
    seen.append((call.source, P))
    return len(seen) - 1


def _is_readout(layer: Layer, tape: Tape) -> bool:
    """Whether the layer is dense, is called once, and its output is the net's, unchanged."""
    if not layer.dense or len(layer.sources) != 1:
        return False
    call = layer.only_call(tape)
    return call.A.ndim == 2 and call.edge.node is tape.y.grad_fn and call.shape == tape.y.shape

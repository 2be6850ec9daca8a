"""Which layers a rule covers: found on a forward pass of two samples, and proven there against autograd."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import OuterRule, Rule, fold_channels, fold_positions, fold_rows, rule_for
from hpnets.ntk._tape import Call, Tape, record

# Relative disagreement with autograd above which a rule is not trusted with a parameter.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@dataclass(frozen=True)
class Layer:
    """Modules that one rule covers and that share their parameters (nearly always: one module), with shapes of calls.

    parameters: pairs of the name inside the module ("weight") and the name in the net. sources: one number a call,
    equal where the rule prepared the same from the same tensor. positions: (q, S, I, H) over all calls.
    numels: scalars of each parameter. kept, outputs: scalars a sample of what `prepare` keeps, and of the outputs.
    """

    rule: Rule
    modules: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    sources: tuple[int, ...]
    positions: tuple[int, int, int, int] | None
    numels: tuple[int, ...]
    kept: int
    outputs: int

    def calls(self, net: nn.Module, tape: Tape) -> list[tuple[nn.Module, Call]]:
        """(module, call) in order; the same number on every pass."""
        found = [(net.get_submodule(name), call) for name in self.modules for call in tape.calls[name]]
        assert len(found) == len(self.sources), f"{self.modules}: {len(found)} calls, not {len(self.sources)}"
        return found

    @property
    def locals(self) -> dict[str, str]:
        """Name in the net by the name inside the module."""
        return dict(self.parameters)

    @property
    def macs(self) -> int:
        """Multiplications of the layer's forward pass for one sample: q S I H for an outer rule."""
        return math.prod(self.positions) if self.positions else self.outputs

    def only(self, local: str, rule: Rule | None = None) -> "Layer":
        """The layer with the one parameter `local`, by another rule if one is given."""
        i = [name for name, _ in self.parameters].index(local)
        return replace(self, parameters=(self.parameters[i],), numels=(self.numels[i],), rule=rule or self.rule)

    @property
    def dense(self) -> bool:
        """Whether a sample has one position and one group: G and A alone give the kernel."""
        return self.positions is not None and self.positions[:2] == (1, 1)


@dataclass(frozen=True)
class Survey:
    """What two samples showed: the layers, the parameters that no rule covers, the read-out, the separable layers.

    readout: the Linear whose output is the net's. separable: indices of layers whose units reach the read-out's inputs
    one by one. saved: scalars that autograd keeps for one sample. idle: parameters whose gradient was zero, so that
    their rules were not put to the test.
    """

    layers: tuple[Layer, ...]
    rest: tuple[str, ...]
    readout: int | None
    separable: tuple[int, ...]
    saved: int
    idle: tuple[str, ...]

    @property
    def widest(self) -> int:
        """Scalars of the largest layer's output for one sample."""
        return max((layer.outputs for layer in self.layers), default=self.saved)


def survey(net: nn.Module, theta: Params, x: Tensor, selection: OutputSelection) -> Survey:
    """Find the layers of `net` that rules cover, on two samples of x."""
    x = x[:2] if len(x) > 1 else x.repeat(2, *[1] * (x.ndim - 1))
    names = {id(p): name for name, p in net.named_parameters()}
    owners = {name: _covered(module, names, theta) for name, module in net.named_modules()}
    owners = {name: parameters for name, parameters in owners.items() if parameters}
    leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
    saved = _Counter({p.data_ptr() for p in net.parameters()} | {p.data_ptr() for p in theta.values()})
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda t: t):
        tape = record(net, leaves, x, owners)
    edges = [call.edge for calls in tape.calls.values() for call in calls]
    truth, gradients = _random_gradients(tape, leaves, edges, selection)
    layers, rest = _proven(net, tape, leaves, owners, truth, dict(zip(map(id, edges), gradients, strict=True)))
    readout = next((i for i, layer in enumerate(layers) if _is_readout(layer, tape)), None)
    separable = () if readout is None else _separable(net, tape, layers, readout)
    idle = tuple(name for name, gradient in truth.items() if gradient is None or not gradient.any())
    return Survey(layers, rest, readout, separable, saved.scalars // len(x), idle)


class _Counter:
    """Counts the distinct scalars that autograd saves, the parameters aside."""

    def __init__(self, known: set[int]) -> None:
        self.known, self.scalars = known, 0

    def pack(self, t: Tensor) -> Tensor:
        if t.data_ptr() not in self.known:
            self.known.add(t.data_ptr())
            # An expanded tensor holds fewer scalars than it shows, a slice fewer than its storage.
            self.scalars += min(t.numel(), t.untyped_storage().nbytes() // t.element_size())
        return t


def _covered(module: nn.Module, names: dict[int, str], theta: Params) -> tuple[tuple[str, str], ...]:
    """(local, net's name) of the parameters of `module` that are asked for and that its rule knows."""
    rule = rule_for(module)
    own = {local: names[id(p)] for local, p in module._parameters.items() if p is not None}
    return tuple((a, b) for a, b in own.items() if rule is not None and a in rule.parameters and b in theta)


def _proven(
    net: nn.Module,
    tape: Tape,
    leaves: Params,
    owners: dict[str, tuple[tuple[str, str], ...]],
    truth: dict[str, Tensor | None],
    at: dict[int, Tensor | None],
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Layers whose gradients agree with autograd's, `truth` by parameter and `at` by edge; and the other names."""
    groups = defaultdict(list)
    for name, parameters in owners.items():
        groups[type(rule_for(net.get_submodule(name))), parameters].append(name)
    seen: list[tuple[tuple[object, ...], Tensor]] = []
    layers, proven = [], set[str]()
    claims = [canonical for _, parameters in groups for _, canonical in parameters]
    for (_, parameters), modules in groups.items():
        calls = [(net.get_submodule(name), call) for name in modules for call in tape.calls[name]]
        rule = rule_for(net.get_submodule(modules[0]))
        assert rule is not None
        if not all(rule.applies(module, call.A) and len(call.A) % len(tape.y) == 0 for module, call in calls):
            continue
        found = _row_gradients(rule, calls, at, len(tape.y))
        good = [
            (local, name)
            for local, name in parameters
            if claims.count(name) == 1 and _agree(found.get(local), truth[name])
        ]
        if good:
            proven |= {name for _, name in good}
            layers.append(_layer(rule, modules, good, seen, calls, len(tape.y), leaves))
    return tuple(layers), tuple(name for name in leaves if name not in proven)


def _random_gradients(
    tape: Tape, leaves: Params, edges: list, selection: OutputSelection
) -> tuple[dict[str, Tensor | None], list[Tensor | None]]:
    """Gradients of u . V^T f(x_0), u random: of the parameters, and at each edge."""
    if not tape.y.requires_grad:
        return dict.fromkeys(leaves), [None] * len(edges)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(selection.columns, generator=generator, dtype=tape.y.dtype).to(tape.y.device)
    seed = torch.zeros_like(tape.y)
    seed[0] = selection.cotangents @ u
    grads = torch.autograd.grad(tape.y, [*leaves.values(), *edges], seed, retain_graph=True, allow_unused=True)
    return dict(zip(leaves, grads, strict=False)), list(grads[len(leaves) :])


def _row_gradients(
    rule: Rule, calls: list[tuple[nn.Module, Call]], at: dict[int, Tensor | None], n: int
) -> dict[str, Tensor]:
    """By the rule, the gradient of each local parameter from the first sample's rows alone, summed over the calls."""
    total: dict[str, Tensor] = {}
    for module, call in calls:
        g = at[id(call.edge)]
        if g is None:
            continue
        parts = rule.gradients(module, rule.prepare(module, call.A), g.unsqueeze(0))
        for local, J in parts.items():
            row = fold_rows(J, n)[0, 0]
            total[local] = total[local] + row if local in total else row
    return total


def _agree(found: Tensor | None, truth: Tensor | None) -> bool:
    if found is None or truth is None:
        return (truth is None or not truth.any()) and (found is None or not found.any())
    if found.numel() != truth.numel():
        return False
    error = found.sub_(truth.flatten())
    return bool(_norm(error) <= TOLERANCE[truth.dtype] * _norm(truth))


def _norm(t: Tensor) -> Tensor:
    """The Euclidean norm over all axes."""
    return torch.linalg.vector_norm(t)


def _layer(
    rule: Rule,
    modules: list[str],
    parameters: list[tuple[str, str]],
    seen: list[tuple[tuple[object, ...], Tensor]],
    calls: list[tuple[nn.Module, Call]],
    n: int,
    leaves: Params,
) -> Layer:
    prepared = [rule.prepare(module, call.A) for module, call in calls]
    positions = None
    if isinstance(rule, OuterRule) and calls:
        P = [fold_positions(p, n) for p in prepared]
        zeros = [torch.empty((1, *call.shape), device="meta") for _, call in calls]
        H = fold_channels(rule.channels(calls[0][0], zeros[0]), n).shape[3]
        positions = (P[0].shape[1], sum(p.shape[2] for p in P), P[0].shape[3], H)
    return Layer(
        rule,
        tuple(modules),
        tuple(parameters),
        tuple(_source(seen, call, P) for (_, call), P in zip(calls, prepared, strict=True)),
        positions,
        tuple(leaves[name].numel() for _, name in parameters),
        kept=sum(p.numel() for p in prepared) // n,
        outputs=sum(call.shape.numel() for _, call in calls) // n,
    )


def _source(seen: list[tuple[tuple[object, ...], Tensor]], call: Call, P: Tensor) -> int:
    """The number of this input among those seen: the same where the tensor is and what the rule made of it."""
    for i, (source, other) in enumerate(seen):
        if source == call.source and torch.equal(other, P):
            return i
    seen.append((call.source, P))
    return len(seen) - 1


def _is_readout(layer: Layer, tape: Tape) -> bool:
    """Whether the layer is dense, is called once, and its output is the net's, unchanged."""
    calls = [call for name in layer.modules for call in tape.calls[name]]
    if not layer.dense or len(calls) != 1 or calls[0].A.ndim != 2:
        return False
    return calls[0].edge.node is tape.y.grad_fn and calls[0].shape == tape.y.shape


def _separable(net: nn.Module, tape: Tape, layers: tuple[Layer, ...], readout: int) -> tuple[int, ...]:
    """Layers as wide as the read-out's input y_N whose unit h reaches y_N[h] only, on the two samples."""
    ((_, last),) = layers[readout].calls(net, tape)
    near = [
        i
        for i, layer in enumerate(layers)
        if i != readout
        and layer.positions is not None
        and (layer.positions[0], layer.positions[3], len(layer.sources)) == (1, last.A.shape[1], 1)
    ]
    if last.A_edge is None or not near:
        return ()
    found = diagonals(net, tape, layers[readout], tuple(layers[i] for i in near))
    return tuple(i for i, d in zip(near, found, strict=True) if d is not None)


def diagonals(net: nn.Module, tape: Tape, readout: Layer, layers: tuple[Layer, ...]) -> list[Tensor | None]:
    r"""Per layer D = dy_N[x, h] / dz[x, h, s], shaped as its output z, if unit h of z reaches y_N[h] alone; or None.

    With J = dy_N/dz, D = J^T 1; units are apart if and only if J^T v = D * v for a random v (n, H), up to rounding and
    with probability 1: so one more pass proves it for every sample at hand.
    """
    ((_, last),) = readout.calls(net, tape)
    assert last.A_edge is not None
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(last.A.shape, generator=generator, dtype=last.A.dtype).to(last.A.device)
    edges = [call.edge for layer in layers for _, call in layer.calls(net, tape)]
    # A_edge as a source of grad: autograd takes tensors or edges alike.
    D, Dv = (
        torch.autograd.grad([last.A_edge], edges, [seed], retain_graph=True, allow_unused=True)
        for seed in (torch.ones_like(v), v)
    )
    return [
        d if d is not None and _apart(layer, net, tape, d, dv, v) else None
        for layer, d, dv in zip(layers, D, Dv, strict=True)
    ]


def _apart(layer: Layer, net: nn.Module, tape: Tape, d: Tensor, dv: Tensor, v: Tensor) -> bool:
    ((module, _),) = layer.calls(net, tape)
    assert isinstance(layer.rule, OuterRule)
    G, Gv = (fold_channels(layer.rule.channels(module, g.unsqueeze(0)), len(v))[0, :, 0] for g in (d, dv))
    product = G * v[:, :, None]
    return G.numel() == d.numel() and bool(_norm(Gv - product) <= 64 * torch.finfo(v.dtype).eps * _norm(product))

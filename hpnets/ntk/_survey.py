"""The survey guesses which layers rules may cover, from two samples' forward and backward pass; the proof checks it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.ntk._agreement import Gradients, Parameters, Seen, good_parameters, make_layer, noise, random_gradients
from hpnets.ntk._budget import numel
from hpnets.ntk._chain import separable_layers
from hpnets.ntk._forms import laid_out
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._layer import Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._reach import graph_nodes
from hpnets.ntk._rules.base import rule_for
from hpnets.ntk._site_layers import SecondLook, site_layers
from hpnets.ntk._sites import PREFIX, Repeat
from hpnets.ntk._tape import WRONG_VECTORISED, Tape, record
from hpnets.ntk._tiling import pair


@dataclass(frozen=True)
class Survey:
    """What two samples showed.

    layers: the layers that rules cover. rest: names of the parameters that no rule covers. readout: the index of the
    dense layer whose output is the net's. separable: the indices of layers whose unit h reaches only the read-out's
    input h. saved: scalars that autograd keeps for one sample. unused: names of parameters that no output depends on.
    largest: scalars for one sample of the largest tensor that autograd keeps. quick: whether the net runs with its
    functions in quick backward forms. copied: scalars of parameters in other layouts that these need. fixed: what the
    passes repeated, but not for each sample. vectorises: whether torch is right in one pass for all outputs.
    """

    layers: tuple[Layer, ...]
    rest: tuple[str, ...]
    readout: int | None
    separable: tuple[int, ...]
    saved: int
    unused: tuple[str, ...]
    largest: int = 0
    quick: bool = True
    copied: int = 0
    fixed: frozenset[Repeat] = frozenset()
    vectorises: bool = True

    @property
    def widest(self) -> int:
        """The scalars of the largest layer's output for one sample."""
        return max((layer.outputs for layer in self.layers), default=self.saved)


def survey(net: nn.Module, theta: Params, x: Tensor, selection: OutputSelection, quick: bool = True) -> Survey:
    """Find the layers of `net` that rules may cover, on two samples of x; quick: whether quick forms may be used."""
    try:
        return _survey(net, theta, pair(x), selection, quick)
    except RuntimeError:  # a foreign net may need torch's own functions, or the layout in which they leave memory
        if not quick:
            raise
        return _survey(net, theta, pair(x), selection, quick=False)


def _survey(net: nn.Module, theta: Params, x: Tensor, selection: OutputSelection, quick: bool) -> Survey:
    names = {id(p): name for name, p in net.named_parameters()}
    owners = {name: _covered(module, names, theta) for name, module in net.named_modules()}
    owners = {name: parameters for name, parameters in owners.items() if parameters}
    placed = laid_out(net, theta) if quick else theta
    leaves = {name: p.detach().requires_grad_() for name, p in placed.items()}
    covered = {name for parameters in owners.values() for _, name in parameters}
    uncovered = [name for name in theta if name not in covered]
    tape, kept = _watched_pass(net, leaves, x, owners, uncovered, quick)
    edges = list({id(call): call.edge for calls in tape.calls.values() for call in calls}.values())
    truth, gradients = random_gradients(tape, leaves, edges, selection)
    at = dict(zip(map(id, edges), gradients, strict=True))
    seen: Seen = []
    layers, rest = _agreeing(net, tape, leaves, owners, truth, at, seen)
    readout = next((i for i, layer in enumerate(layers) if _is_readout(layer, tape)), None)
    separable = () if readout is None else separable_layers(tape, layers, readout, leaves)
    unused = tuple(name for name, gradient in truth.items() if gradient is None)
    wanted = [name for name in rest if name not in unused]
    look = SecondLook(net, leaves, wanted, x, selection, noise(truth), quick)
    watched = wanted == uncovered and {PREFIX + name for name in wanted} <= tape.calls.keys()
    others, fixed = _from_sites(look, tape if watched else None, truth, at, seen)
    rest = tuple(name for name in rest if not any(name in layer.names for layer in others))
    saved, largest = kept.scalars // len(x), kept.largest // len(x)
    anew = [p.numel() for name, p in placed.items() if p.data_ptr() != theta[name].data_ptr()]
    # While a convolution runs forward or backward, oneDNN may hold its weight once or twice more, in its own layouts.
    copied = sum(anew) + 2 * max(anew, default=0)
    vectorises = WRONG_VECTORISED.isdisjoint(node.name() for node in graph_nodes([tape.y]))
    every = (*layers, *others)
    return Survey(every, rest, readout, separable, saved, unused, largest, quick, copied, fixed, vectorises)


def _watched_pass(
    net: nn.Module, leaves: Params, x: Tensor, owners: dict[str, Parameters], others: list[str], quick: bool
) -> "tuple[Tape, _Counter]":
    """A pass in which modules with rules are watched, and the count of what autograd kept of it.

    The sites of the parameters `others` are watched too, where the net allows it.
    """
    sites = [PREFIX + name for name in others]
    try:
        with _counted(leaves) as saved:
            return record(net, leaves, x, [*owners, *sites], quick), saved
    except Exception:  # a net may fail on followed tensors in any way; a fault of its own is raised again below
        if not sites:
            raise
    with _counted(leaves) as saved:
        return record(net, leaves, x, owners, quick), saved


def _from_sites(
    look: SecondLook, tape: Tape | None, truth: Gradients, at: dict[int, Tensor | None], seen: Seen
) -> tuple[tuple[Layer, ...], frozenset[Repeat]]:
    """The layers of parameters that no module's rule covers, none if the net cannot be followed; and fixed repeats."""
    if not look.names:
        return (), frozenset()
    try:
        first = None if tape is None else (truth, at)
        tape = tape or look.record()
        return site_layers(look, tape, first, seen), tape.fixed
    except Exception:  # a net may fail on followed tensors in any way; its parameters then take the slow path
        return (), frozenset()


class _Counter:
    """Counts the distinct scalars that autograd saves, in all and of the largest tensor, without the parameters."""

    def __init__(self, known: set[int]) -> None:
        self.known, self.scalars, self.largest = known, 0, 0

    def pack(self, t: Tensor) -> Tensor:
        if t.layout is not torch.strided:
            self._add(t.numel())
        elif t.data_ptr() not in self.known:
            self.known.add(t.data_ptr())
            # An expanded tensor holds fewer scalars than it shows, a slice fewer than its storage.
            self._add(min(t.numel(), t.untyped_storage().nbytes() // t.element_size()))
        return t

    def _add(self, scalars: int) -> None:
        self.scalars += scalars
        self.largest = max(self.largest, scalars)


@contextmanager
def _counted(params: Params) -> Iterator[_Counter]:
    counter = _Counter({p.data_ptr() for p in params.values()})
    with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda t: t):
        yield counter


def saved_scalars(net: nn.Module, theta: Params, x: Tensor) -> int:
    """How many scalars autograd keeps of the network's own forward pass over one sample, at least the sample's own.

    If the pass cannot be watched (torch.func inside forward allows no hooks), they are those of sample and parameters.
    """
    x = pair(x)
    try:
        with own_parameters(net, theta), _counted(theta) as counter, torch.enable_grad():
            plain_call(net, x)
    except RuntimeError:
        return x[0].numel() + numel(theta)
    return max(counter.scalars // 2, x[0].numel())


def _covered(module: nn.Module, names: dict[int, str], theta: Params) -> Parameters:
    """The parameters of `module` that are in theta and that its rule knows, as pairs (local name, name in the net)."""
    rule = rule_for(module)
    own = {local: names[id(p)] for local, p in module._parameters.items() if p is not None}
    return tuple((a, b) for a, b in own.items() if rule is not None and a in rule.parameters and b in theta)


def _agreeing(
    net: nn.Module,
    tape: Tape,
    leaves: Params,
    owners: dict[str, Parameters],
    truth: Gradients,
    at: dict[int, Tensor | None],
    seen: Seen,
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """The layers whose gradients agree with autograd's, and the names of the other parameters.

    truth, at: autograd's gradients by parameter, and by id of the edge.
    """
    groups = defaultdict(list)
    for name, parameters in owners.items():
        groups[type(rule_for(net.get_submodule(name))), parameters].append(name)
    layers, agreed = [], set[str]()
    floor = noise(truth)
    claims = [canonical for _, parameters in groups for _, canonical in parameters]
    for (_, parameters), modules in groups.items():
        calls = [call for name in modules for call in tape.calls[name]]
        rule = rule_for(net.get_submodule(modules[0]))
        assert rule is not None
        known = tuple((local, name) for local, name in parameters if claims.count(name) == 1)
        batched = all(len(call.A) % len(tape.y) == 0 for call in calls if call.A.ndim)
        good = good_parameters(rule, known, calls, at, truth, floor, len(tape.y)) if batched else ()
        if good:
            agreed |= {name for _, name in good}
            layers.append(make_layer(rule, modules, good, seen, calls, len(tape.y), leaves))
    return tuple(layers), tuple(name for name in leaves if name not in agreed)


def _is_readout(layer: Layer, tape: Tape) -> bool:
    """Whether the layer is dense, is called once, and gives the net's output, unchanged."""
    if not layer.dense or len(layer.sources) != 1:
        return False
    call = layer.only_call(tape)
    return call.A.ndim == 2 and call.edge.node is tape.y.grad_fn and call.shape == tape.y.shape

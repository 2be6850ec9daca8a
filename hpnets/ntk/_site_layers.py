"""The survey's second look: layers of parameters that no module's rule covers, from the sites where they are used."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from hpnets.ntk._agreement import Gradients, Parameters, Seen, good_parameters, make_layer, random_gradients
from hpnets.ntk._call import Call
from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.arranged import LAYOUTS, Rearranged, laid_out, places
from hpnets.ntk._rules.base import OuterRule, Rule
from hpnets.ntk._rules.site import SiteRule
from hpnets.ntk._sites import PREFIX
from hpnets.ntk._tape import Tape, record

_Candidate = tuple[Rule, Parameters]


@dataclass(frozen=True)
class SecondLook:
    """What is looked for: layers of the parameters `names` on the samples x; floor: see `agree`."""

    net: nn.Module
    leaves: Params
    names: list[str]
    x: Tensor
    selection: OutputSelection
    floor: float


def site_layers(
    look: SecondLook, tape: Tape | None, truth: Gradients, at: dict[int, Tensor | None], seen: Seen
) -> tuple[Layer, ...]:
    """Layers of the parameters whose sites give autograd's gradients.

    tape: a pass in which their sites were watched, with the first sample's gradients `truth`, and `at` by edge; None
    if there was none.
    """
    leaves, n = look.leaves, len(look.x)
    first = None if tape is None else (truth, at)
    tape = tape or record(look.net, leaves, look.x, [PREFIX + name for name in look.names])
    calls = {name: tape.calls[PREFIX + name] for name in look.names}
    edges = list({id(call): call.edge for group in calls.values() for call in group}.values())
    # Of all samples: where only a few rows have a gradient, the first sample's do not show how rows are laid out.
    passes = [first or _gradients(look, tape, edges, 0), *(_gradients(look, tape, edges, i) for i in range(1, n))]
    layers = []
    for members in _connected(calls):
        own = list({id(call): call for name in members for call in calls[name]}.values())
        for rule, parameters in _candidates(own, members, leaves):
            good = parameters
            for sample, (right, gradients) in enumerate(passes):
                good = good_parameters(rule, good, own, gradients, right, look.floor, n, sample)
            if len(good) == len(parameters):
                keys = [PREFIX + name for name in members]
                layers.append(make_layer(rule, keys, good, seen, own, n, leaves))
                break
    return tuple(layers)


def _gradients(
    look: SecondLook, tape: Tape, edges: list[GradientEdge], sample: int
) -> tuple[Gradients, dict[int, Tensor | None]]:
    asked = {name: look.leaves[name] for name in look.names}
    truth, gradients = random_gradients(tape, asked, edges, look.selection, sample)
    return truth, dict(zip(map(id, edges), gradients, strict=True))


def _connected(calls: dict[str, list[Call]]) -> list[list[str]]:
    """Parameters that have sites, in groups that share none with each other."""
    group = {name: [name] for name, own in calls.items() if own}
    for own in calls.values():
        for call in own:
            first, *others = call.module.leaves
            for name in others:
                if group[name] is not group[first]:
                    group[first].extend(group[name])
                    group |= dict.fromkeys(group[name], group[first])
    return list({id(members): members for members in group.values()}.values())


def _candidates(calls: list[Call], members: list[str], leaves: Params) -> Iterator[_Candidate]:
    """Rules that may cover the parameters by these calls, the one with most contractions first."""
    one = _one_rule(calls, members)
    if one is not None:
        rule, parameters = one
        yield rule, parameters
        yield from ((laid_out(rule, layout), parameters) for layout in LAYOUTS)
    general = SiteRule({name: leaves[name].numel() for name in members})
    parameters = tuple((name, name) for name in members)
    yield general, parameters
    yield from ((laid_out(general, layout), parameters) for layout in LAYOUTS)


def _one_rule(calls: list[Call], members: list[str]) -> _Candidate | None:
    """The calls' common rule, where each weight is one parameter, its scalars perhaps in another order."""
    first = calls[0].module
    kinds = {(type(call.module.rule), tuple(call.module.weights)) for call in calls}
    owners = [leaf for weight in first.weights.values() for leaf in weight.leaves]
    if len(kinds) > 1 or sorted(owners) != sorted(members) or len(owners) != len(first.weights):
        return None
    if not set(first.weights) <= set(first.rule.parameters):
        return None
    parameters = tuple(zip(first.weights, owners, strict=True))
    if any([(a, n) for a, w in call.module.weights.items() for n in w.leaves] != list(parameters) for call in calls):
        return None
    if all(weight.is_leaf for call in calls for weight in call.module.weights.values()):
        return first.rule, parameters
    if not isinstance(first.rule, OuterRule):
        return None
    at = _common_places(calls)
    return None if at is None else (Rearranged(first.rule, at), parameters)


def _common_places(calls: list[Call]) -> dict[str, Tensor] | None:
    """By local name the places of a parameter's scalars in its weight, the same in all calls."""
    common: dict[str, Tensor] = {}
    for call in calls:
        for local, weight in call.module.weights.items():
            if weight.is_leaf:
                index: Tensor | None = torch.arange(weight.value.numel(), device=weight.value.device)
            else:
                index = places(weight.value, *weight.leaves.values())
            if index is None or not torch.equal(common.setdefault(local, index), index):
                return None
    return common

"""The survey's second look finds layers of parameters that no module's rule covers, from the sites of their use."""

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
_Gradients = tuple[Gradients, dict[int, Tensor | None]]


@dataclass(frozen=True)
class SecondLook:
    """The second look's question: which layers have the parameters `names` on the samples x; floor: as for `agree`."""

    net: nn.Module
    leaves: Params
    names: list[str]
    x: Tensor
    selection: OutputSelection
    floor: float
    quick: bool

    def record(self) -> Tape:
        """A pass in which the sites are watched."""
        return record(self.net, self.leaves, self.x, [PREFIX + name for name in self.names], self.quick)


def site_layers(look: SecondLook, tape: Tape, first: _Gradients | None, seen: Seen) -> tuple[Layer, ...]:
    """The layers of those parameters whose sites give autograd's gradients.

    tape: a pass in which the sites were watched. first: the first sample's gradients in that pass, by parameter and by
    id of the edge, if they are known.
    """
    leaves, n = look.leaves, len(look.x)
    calls = {name: tape.calls[PREFIX + name] for name in look.names}
    edges = list({id(call): call.edge for group in calls.values() for call in group}.values())
    # Every sample is asked: where only a few rows have a gradient, the first sample alone does not show the layout.
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


def _gradients(look: SecondLook, tape: Tape, edges: list[GradientEdge], sample: int) -> _Gradients:
    asked = {name: look.leaves[name] for name in look.names}
    truth, gradients = random_gradients(tape, asked, edges, look.selection, sample)
    return truth, dict(zip(map(id, edges), gradients, strict=True))


def _connected(calls: dict[str, list[Call]]) -> list[list[str]]:
    """The parameters that have sites, in groups; parameters of different groups have no site in common."""
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
    """The rules that may cover the parameters by these calls; the rule with the most contractions comes first."""
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
    """The calls' common rule, if each weight is one parameter, whose scalars may stand in another order; else None."""
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
    """The places of a parameter's scalars in its weight, by local name; None unless they are the same in all calls."""
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

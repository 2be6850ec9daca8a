"""A layer that a rule covers: its modules, their parameters, and the shapes of its calls for one sample."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from hpnets.ntk._call import Call
from hpnets.ntk._rules.base import OuterRule, Rule
from hpnets.ntk._tape import Tape


class Geometry(NamedTuple):
    """The sizes of an outer rule's layer over all its calls: q groups, S positions, I inputs and H outputs a group."""

    q: int
    S: int
    I: int
    H: int


@dataclass(frozen=True)
class Layer:
    """Modules that one rule covers and that share their parameters (nearly always one module).

    parameters: pairs of the name inside the module ("weight") and the name in the net. sources: one number for each
    call, equal where the rule prepared the same from the same tensor. geometry: None unless the rule is an OuterRule.
    numels: scalars of each parameter. kept: scalars per sample that `prepare` keeps. outputs: scalars per sample of
    the layer's outputs.
    """

    rule: Rule
    modules: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    sources: tuple[int, ...]
    geometry: Geometry | None
    numels: tuple[int, ...]
    kept: int
    outputs: int

    def calls(self, tape: Tape) -> list[Call]:
        """The calls in order; raises ChangedCallsError if a pass makes another number of calls than the survey's."""
        # A site's call is listed under each of its parameters' names, but counts once.
        calls = list({id(call): call for name in self.modules for call in tape.calls[name]}.values())
        if len(calls) != len(self.sources):
            raise ChangedCallsError(f"{', '.join(self.modules)}: {len(calls)} calls, not {len(self.sources)}")
        return calls

    def only_call(self, tape: Tape) -> Call:
        """The one call of a layer that is called once."""
        (call,) = self.calls(tape)
        return call

    @property
    def locals(self) -> dict[str, str]:
        """The parameters' names in the net, by the name inside the module."""
        return dict(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names in the net."""
        return tuple(name for _, name in self.parameters)

    @property
    def outer(self) -> tuple[OuterRule, Geometry]:
        """The rule and the geometry of a layer whose rule is an OuterRule."""
        assert isinstance(self.rule, OuterRule)
        assert self.geometry is not None
        return self.rule, self.geometry

    @property
    def macs(self) -> int:
        """Multiplications of the layer's forward pass for one sample: q S I H for an outer rule."""
        return math.prod(self.geometry) if self.geometry else self.outputs

    @property
    def dense(self) -> bool:
        """Whether a sample has one position and one group, so that the Gram matrices of G and A give the kernel."""
        return self.geometry is not None and (self.geometry.q, self.geometry.S) == (1, 1)

    def without(self, names: frozenset[str]) -> "Layer":
        """The layer without the parameters that have these names in the net."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        if len(kept) == len(self.parameters):
            return self
        parameters, numels = tuple(self.parameters[i] for i in kept), tuple(self.numels[i] for i in kept)
        return replace(self, parameters=parameters, numels=numels)

    def only(self, local: str, rule: Rule | None = None) -> "Layer":
        """The layer with `local` as its only parameter, by another rule if one is given."""
        i = [name for name, _ in self.parameters].index(local)
        return replace(self, parameters=(self.parameters[i],), numels=(self.numels[i],), rule=rule or self.rule)


class ChangedCallsError(RuntimeError):
    """A layer is called another number of times than on the samples that the plan looked at."""

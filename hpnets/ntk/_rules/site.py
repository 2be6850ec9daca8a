"""Sites are calls of functions that mix samples with a weight; a weight's gradients are pulled to its parameters.

A site stands in for a module: it has the attributes that the rule of such a module reads.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hpnets.ntk._rules.base import Rule

# This many scalars of gradients are pulled through a weight's own graph at a time.
BLOCK = 2**22


@dataclass(frozen=True)
class Weight:
    """A tensor that is computed from parameters alone: its value in the graph, and those parameters by name."""

    value: Tensor
    leaves: dict[str, Tensor]

    @property
    def is_leaf(self) -> bool:
        """Whether the weight is a parameter itself."""
        return len(self.leaves) == 1 and next(iter(self.leaves.values())) is self.value

    def pull(self, J: Tensor) -> dict[str, Tensor]:
        """J of each parameter by name, (C, n, numel of it), from J (C, n, numel) of the weight, through its graph."""
        if self.is_leaf:
            return dict.fromkeys(self.leaves, J)
        # The rows are taken in the order that they have in memory, where products leave each sample's side by side.
        samples_first = J.stride(0) < J.stride(1)
        ordered = J.transpose(0, 1) if samples_first else J
        rows, step = ordered.flatten(0, 1), max(1, BLOCK // max(1, self.value.numel()))
        pulled = {name: leaf.new_empty(len(rows), leaf.numel()) for name, leaf in self.leaves.items()}
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            for out, part in zip(pulled.values(), self._pull(rows[block]), strict=True):
                out[block] = part.reshape(len(part), -1)
        whole = {name: out.unflatten(0, ordered.shape[:2]) for name, out in pulled.items()}
        return {name: out.transpose(0, 1) for name, out in whole.items()} if samples_first else whole

    def _pull(self, rows: Tensor) -> tuple[Tensor, ...]:
        seeds, leaves = rows.reshape(-1, *self.value.shape), list(self.leaves.values())
        options: dict[str, Any] = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
        try:
            return torch.autograd.grad(self.value, leaves, seeds, is_grads_batched=True, **options)
        except RuntimeError:  # a backward formula that cannot be batched
            single = [torch.autograd.grad(self.value, leaves, seed, **options) for seed in seeds]
            return tuple(torch.stack(grads) for grads in zip(*single, strict=True))


@dataclass(frozen=True)
class Site:
    """A call of a function for `samples` samples, with `weights` by local name and the attributes that `rule` reads."""

    rule: Rule
    samples: int
    weights: dict[str, Weight]
    attributes: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["attributes"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def bias(self) -> Weight | None:
        """The weight that is added, as a module has it."""
        return self.weights.get("bias")

    @property
    def leaves(self) -> tuple[str, ...]:
        """The names of the parameters that the weights are made of."""
        return tuple(dict.fromkeys(name for weight in self.weights.values() for name in weight.leaves))


class SiteRule(Rule):
    """Gives parameters' gradients from all their sites: each site's rule, then each weight's graph."""

    def __init__(self, numels: dict[str, int]) -> None:
        self.parameters, self.numels = tuple(numels), numels

    def applies(self, module: Site, A: Tensor) -> bool:
        return module.rule.applies(module, A)

    def prepare(self, module: Site, A: Tensor) -> Tensor:
        return module.rule.prepare(module, A)

    def gradients(self, module: Site, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        own = module.rule.sample_gradients(module, P, g, module.samples)
        total: dict[str, Tensor] = {}
        for local, weight in module.weights.items():
            for name, J in weight.pull(own[local]).items():
                total[name] = total[name] + J if name in total else J
        zero = g.new_zeros(1, 1, 1)
        return {
            name: total[name] if name in total else zero.expand(len(g), module.samples, numel)
            for name, numel in self.numels.items()
        }

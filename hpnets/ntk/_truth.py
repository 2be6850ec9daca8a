"""What a proof holds a kernel's factors to: gradients by plain autograd of the net itself, in other batches."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hpnets.ntk._condition import nearby
from hpnets.ntk._functional import Params, own_parameters, plain_call
from hpnets.ntk._independence import Batch
from hpnets.ntk._mixing import mixed
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._reach import check_reach


@dataclass(frozen=True)
class Truth:
    """J^T u for u (n, C) by plain autograd at samples x; M J^T u for the parameters whose M is in `mixes`.

    most: batches of no more than so many samples together share a backward pass.
    """

    net: nn.Module
    params: Params
    selection: OutputSelection
    x: Tensor
    u: Tensor
    mixes: Params
    most: int

    def over(self, batches: list[Batch]) -> tuple[dict[str, Tensor | None], Tensor]:
        """By parameter the gradient g of sum_i u_i . V^T f(x_i), or M g, None where none; and f (n, O)."""
        if sum(len(batch.rows) for batch in batches) <= self.most:
            try:
                return self._by_groups([batches])
            except RuntimeError:
                pass  # a forward pass may write to what the backward pass of one before it reads
        return self._by_groups([[batch] for batch in batches])

    def in_float64(self) -> "Truth":
        """The same of a copy of the net in float64, with nothing mixed."""
        selection = replace(self.selection, cotangents=self.selection.cotangents.double())
        params = {name: p.double() for name, p in self.params.items()}
        net = copy.deepcopy(self.net).double()
        x, u = self.x.double(), self.u.double()
        return replace(self, net=net, params=params, selection=selection, x=x, u=u, mixes={})

    def noise(self, batches: list[Batch]) -> dict[str, float]:
        """By parameter how much its gradient over the batches depends on the last digits of samples and parameters."""
        params, x = nearby(self.params, self.x)
        near, _ = replace(self, params=params, x=x).over(batches)
        here, _ = self.over(batches)
        both = ((name, g, here[name]) for name, g in near.items())
        return {name: float((g - h).norm()) for name, g, h in both if g is not None and h is not None}

    def _by_groups(self, groups: list[list[Batch]]) -> tuple[dict[str, Tensor | None], Tensor]:
        """`over` by one backward pass for each group of batches."""
        total: dict[str, Tensor | None] = dict.fromkeys(self.params)
        y: Tensor | None = None
        with own_parameters(self.net, self.params) as own:
            for group in groups:
                samples = [batch.of(self.x) for batch in group]
                seeds = [self.selection.seeds(batch.seeds(self.u)) for batch in group]
                gradients, outputs = plain_gradients(self.net, own, samples, seeds, reach=y is None)
                y = outputs[0].new_empty(len(self.x), outputs[0].shape[1]) if y is None else y
                for batch, f in zip(group, outputs, strict=True):
                    batch.write(y, f)
                while gradients:  # each is freed as it is summed
                    name, g = gradients.popitem()
                    if g is not None:
                        g = mixed(self.mixes[name], g) if name in self.mixes else g
                        # Not in place: autograd may give one tensor to two parameters, or an expanded one.
                        before = total[name]
                        total[name] = g if before is None else before + g
        assert y is not None
        return total, y


def plain_gradients(
    net: nn.Module, own: Params, batches: list[Tensor], seeds: list[Tensor], reach: bool = False
) -> tuple[dict[str, Tensor | None], list[Tensor]]:
    """The gradient of sum(seeds * net(x)) over batches x by plain autograd, by parameter (None if unused); each net(x).

    own: from `own_parameters`, within which this is called. reach: whether parameters that cannot be differentiated are
    looked for, which raises RefusalError.
    """
    with torch.enable_grad():
        outputs = [plain_call(net, x) for x in batches]
        if reach:
            check_reach(net, outputs[0])
        of = [(y, seed) for y, seed in zip(outputs, seeds, strict=True) if y.requires_grad]
        if not of:
            return dict.fromkeys(own), outputs
        grads = torch.autograd.grad([y for y, _ in of], [*own.values()], [seed for _, seed in of], allow_unused=True)
    return dict(zip(own, grads, strict=True)), [y.detach() for y in outputs]

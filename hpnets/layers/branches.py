r"""Residual branches over depth: h_l = h_{l-1} + L^-a B_l(h_{l-1}), and the learning rates that go with it."""

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from hpnets.layers.parametrisation import Scaling

POWERS = {"depth_mup": 0.5, "completep": 1.0}


class BranchScale(nn.Module):
    """c y, at the end of a residual branch; c is 1 until `scale_branches` sets it, and y is passed on as it is.

    uses: how many branches of the network end here, with weights of their own each. The parameters of the module that
    holds this one are those of its branches, but for what that module names in `outside_branches`, a tuple of names.
    """

    def __init__(self, uses: int = 1) -> None:
        super().__init__()
        self.uses, self.constant = uses, 1.0

    def forward(self, y: Tensor) -> Tensor:
        return y if self.constant == 1.0 else self.constant * y


def branches(net: nn.Module) -> int:
    """L, the number of residual branches of a network: 0 for one that has none."""
    return sum(module.uses for module in net.modules() if isinstance(module, BranchScale))


def branch_parameters(net: nn.Module) -> Iterator[str]:
    """Yield the names of the parameters that are within a residual branch."""
    for prefix, module in net.named_modules():
        if not any(isinstance(child, BranchScale) and child.uses for child in module.children()):
            continue
        outside: tuple[str, ...] = getattr(module, "outside_branches", ())
        for name, _ in module.named_parameters():
            if not any(name == other or name.startswith(f"{other}.") for other in outside):
                yield f"{prefix}.{name}".lstrip(".")


def depth_scalings(net: nn.Module, scalings: dict[str, Scaling], power: float) -> dict[str, Scaling]:
    r"""The scalings of a width, times those of the depth for the parameters of residual branches.

    Branches are multiplied by L^-a, so that L of them move f as far as one does if SGD's rate within them is times
    L^(2a - 1), Adam's L^(a - 1) and Adam's epsilon, which is beside gradients of size L^-a, times L^-a. What a model
    draws with L^(-1/2) itself, and names in `drawn_by_depth`, is drawn as for L = 1.

    Source: Yang et al. 2023, "Tensor Programs VI" (arXiv 2310.02244) and Bordelon et al. 2023 (arXiv 2309.16620) for
    a = 1/2; Dey et al. 2025, "Don't be lazy: CompleteP" (arXiv 2505.01618) for a = 1.
    """
    L, own = branches(net), dict(scalings)
    for name in branch_parameters(net):
        s = own[name]
        own[name] = replace(s, sgd=s.sgd * L ** (2 * power - 1), adam=s.adam * L ** (power - 1), epsilon=L**-power)
    for name in getattr(net, "drawn_by_depth", ()):
        own[name] = replace(own[name], init=own[name].init * L**0.5)
    return own


def scale_branches(net: nn.Module, power: float) -> None:
    """Multiply each residual branch by L^-power."""
    L = branches(net)
    for module in net.modules():
        if isinstance(module, BranchScale):
            module.constant = L**-power

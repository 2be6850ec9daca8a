"""The linearised net and the centred net, modules whose kernels are known."""

import torch
from torch import Tensor, nn
from torch.func import jvp

from hpnets.ntk._copies import check_apart, frozen_copy
from hpnets.ntk._functional import Params, call
from hpnets.ntk._mended import AsReverseMode
from hpnets.ntk._state import unfused_attention
from hpnets.ntk._wrappers import eager


class Linearised(nn.Module):
    r"""f_lin(x; d) = f(x; theta_0) + J(x; theta_0) d, d = theta - theta_0 the trainable parameters `delta`.

    With `centred` it is J(x; theta_0) d alone, f_lin less f at theta_0. Its kernel is that of f at theta_0, whatever d
    is. `forward` raises ValueError where torch has no forward mode for the net, or where the copy of the net that it
    holds computes with parameters of the net itself. Source: Lee et al. 2019 (arXiv 1902.06720), eq. 5.
    """

    def __init__(self, net: nn.Module, params0: dict[str, Tensor] | None = None, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        trained = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}
        start = trained if params0 is None else params0
        if set(start) != set(trained):
            raise ValueError(f"params0 names {sorted(start)}; allowed: the trained parameters, {sorted(trained)}")
        self.net = frozen_copy(net)
        self.names = tuple(trained)
        own = dict(self.net.named_parameters())
        for name, p in start.items():
            own[name].copy_(p)
        self.delta = nn.ParameterList(nn.Parameter(trained[name] - own[name]) for name in self.names)

    def forward(self, x: Tensor) -> Tensor:
        own = dict(self.net.named_parameters())
        theta_0: Params = {name: own[name] for name in self.names}
        grad = torch.is_grad_enabled()
        # In grad mode a graph shows parameters that are none of the copy's; it holds nothing else if d has none.
        with torch.enable_grad(), unfused_attention():
            d: Params = {name: p if grad else p.detach() for name, p in zip(self.names, self.delta, strict=True)}
            f_0, moved = self._first_order(theta_0, d, x if grad else x.detach())
            check_apart(self.net, f_0)
        return moved if self.centred else f_0 + moved

    def _first_order(self, theta_0: Params, d: Params, x: Tensor) -> tuple[Tensor, Tensor]:
        """f(x; theta_0) and J(x; theta_0) d."""
        try:
            f_0, moved, *_ = jvp(lambda theta: call(self.net, theta, x, AsReverseMode()), (theta_0,), (d,))
        except Exception as error:
            call(self.net, theta_0, x)  # raises what is wrong of x
            raise ValueError(
                f"net has no forward-mode derivative in torch, which its linearisation is: {str(error).splitlines()[0]}"
            ) from error
        return f_0, moved


class Centred(nn.Module):
    r"""f(x; theta) - f(x; theta_0), theta_0 the parameters when it is made: zero then, with f's kernel at every theta.

    `forward` raises ValueError where the copy of the net that it holds computes with parameters of the net itself.
    Source: Chizat, Oyallon and Bach 2019 (arXiv 1812.07956), section 1, where centring makes training lazy.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.start = frozen_copy(net)
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        grad = torch.is_grad_enabled()
        with torch.enable_grad():
            f_0 = self.start((x if grad else x.detach()).clone())  # a network may write to its samples
            check_apart(self.start, f_0)
        return self.net(x) - f_0


def linearize(net: nn.Module, params0: dict[str, Tensor] | None = None, centred: bool = False) -> Linearised:
    """A copy of `net`, linearised at params0 (None: at its own parameters) and evaluated at its own parameters.

    centred: without f at params0; the kernel is frozen, unlike that of `centre(net)`. Raises ValueError if params0 does
    not name exactly the trained parameters, and for a sharded net or one with a torch.jit module.
    """
    with torch.no_grad():
        return Linearised(eager(net), params0, centred)


def centre(net: nn.Module) -> Centred:
    """`net` minus a copy of it as it is now; training the result trains `net`.

    Raises ValueError for a sharded net or one with a torch.jit module.
    """
    return Centred(eager(net))

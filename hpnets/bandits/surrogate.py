"""Networks as random functions: prior draws whose covariance is the network's NTK, and draws of the posterior."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from hpnets.ntk import Params, ntk, parse_bytes
from hpnets.validate import require

MakeNet = Callable[[], nn.Module]
Variant = Literal["linear", "network"]
# The mean square of a drawn parameter may be off 1 by this many of its standard errors.
ERRORS = 6.0


class Members(NamedTuple):
    """B draws: parameters theta_0 of B networks, and auxiliary theta_0' of other B, zero in the read-out; (B, ..)."""

    theta: Params
    auxiliary: Params


class Surrogate:
    r"""Prior draws f_0(x) = f(x; theta_0) + <df(x; theta_0), theta_0'>, whose covariance is the NTK T as width grows.

    f(x; theta_0) has the covariance S of outputs, which is the read-out's share of T; theta_0', drawn like theta_0 but
    zero in the read-out, adds T - S. So networks must be in the NTK parametrisation: parameters that are drawn have
    variance 1, and the last module is a linear read-out. Parameters that start at constants (biases at 0) have no
    share; they are not trained.

    make_net: returns a network with one output, drawn by torch's global random state, such as `lambda: create_model(..,
    output_dim=1, parametrisation="ntk")`. Raises ValueError for networks that are not like that.
    Source: Dai et al. 2022 (arXiv 2210.06850).
    """

    def __init__(self, make_net: MakeNet) -> None:
        self.make_net = make_net
        first, second = (_seeded(make_net, seed) for seed in (0, 1))
        own, other = ({name: p.detach() for name, p in net.named_parameters()} for net in (first, second))
        self.net = first.requires_grad_(False)
        self.drawn = tuple(name for name, p in own.items() if not torch.equal(p, other[name]))
        require(bool(self.drawn), "make_net", make_net, "networks with parameters that are drawn at random")
        for name in self.drawn:
            values = torch.stack([own[name], other[name]]).double()
            square, error = float(values.square().mean()), (2 / values.numel()) ** 0.5
            allowed = "mean square 1: parametrisation='ntk', since the kernel is a prior's covariance only there"
            require(abs(square - 1) <= ERRORS * error, f"the draw of {name}", f"of mean square {square:.3g}", allowed)
        module = self.drawn[-1].rpartition(".")[0]
        self._checked = False
        self.readout = tuple(name for name in own if name.rpartition(".")[0] == module)

    def check_outputs(self, x: Tensor) -> None:
        """Raise ValueError unless f(x) is one number for each x, linear in the read-out, and has derivatives."""
        if self._checked:  # once
            return
        own = {name: p.detach() for name, p in self.net.named_parameters()}
        outputs = functional_call(self.net, own, (x,))
        require(outputs.shape == (len(x), 1), "the network's outputs", tuple(outputs.shape), f"({len(x)}, 1)")
        twice = {name: 2 * p if name in self.readout else p for name, p in own.items()}
        linear = torch.allclose(functional_call(self.net, twice, (x,)), 2 * outputs, rtol=1e-3, atol=1e-5)
        require(linear, "the read-out", ", ".join(self.readout), "a last linear layer, in which the network is linear")
        self._check_derivatives({name: own[name] for name in self.drawn}, x)
        self._checked = True

    def _check_derivatives(self, theta: Params, x: Tensor) -> None:
        """Raise ValueError unless torch.func has the derivatives that `ntk` proves by plain autograd."""
        move = {name: torch.ones_like(p) for name, p in theta.items()}
        (J,) = self.features({name: p[None] for name, p in theta.items()}, x)
        kernel = ntk(self.net, x, outputs="trace", params=theta)
        along = self.linear(theta, move, x) - self.f(theta, x)
        right = _near(J @ J.T, kernel) and _near(along, J.sum(1))
        allowed = "one whose derivatives torch.func has: nothing under no_grad that depends on parameters"
        require(right, "the network", type(self.net).__name__, allowed)

    def draw(self, count: int, generator: torch.Generator, keep_readout: bool = False) -> Members:
        """`count` members; keep_readout leaves theta_0' as drawn, which makes the prior's covariance T + S."""
        seeds = torch.randint(2**62, (count, 2), generator=generator)
        theta, auxiliary = self._stacked(seeds[:, 0].tolist()), self._stacked(seeds[:, 1].tolist())
        for name in () if keep_readout else self.readout:
            if name in auxiliary:
                auxiliary[name].zero_()
        return Members(theta, auxiliary)

    def f(self, theta: Params, x: Tensor) -> Tensor:
        """f(x; theta) (n,) of one network; parameters that are not drawn are as they are."""
        return functional_call(self.net, theta, (x,)).squeeze(1)

    def linear(self, theta: Params, move: Params, x: Tensor) -> Tensor:
        """f(x; theta) + <df(x; theta), move>, (n,), by one forward derivative."""
        parts = jvp(lambda p: self.f(p, x), (theta,), (move,))
        return parts[0] + parts[1]

    def prior(self, members: Members, x: Tensor) -> Tensor:
        """f_0 (B, n)."""
        return vmap(self.linear, (0, 0, None))(members.theta, members.auxiliary, x)

    def features(self, theta: Params, x: Tensor) -> Tensor:
        """df(x; theta) of B networks, (B, n, P), in the order of `drawn`."""
        single = grad(lambda p, x_i: self.f(p, x_i[None]).squeeze(0))
        J = vmap(vmap(single, (None, 0)), (0, None))(theta, x)
        return torch.cat([J[name].flatten(2) for name in self.drawn], 2)

    def members_at_once(self, x: Tensor, count: int, memory: str | float) -> int:
        """How many networks' features on x fit; ValueError if not those of one."""
        size = sum(self.net.get_parameter(name).numel() for name in self.drawn)
        # The gradients, their copy in one array, and in double precision where the kernel is made.
        one, budget = 4 * max(len(x), 1) * size * x.element_size(), parse_bytes(memory)
        if one > budget:
            raise ValueError(
                f"memory is {budget / 2**30:.3g} GiB, but gradients of {size} parameters at {len(x)} observations take "
                f"{one / 2**30:.3g} GiB; allowed: more memory, a narrower network, or fewer observations"
            )
        return min(count, budget // one)

    def _stacked(self, seeds: list[int]) -> Params:
        nets = [_seeded(self.make_net, seed) for seed in seeds]
        return {name: torch.stack([net.get_parameter(name).detach() for net in nets]) for name in self.drawn}


def _near(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).norm() <= 1e-3 * b.norm())


def _seeded(make_net: MakeNet, seed: int) -> nn.Module:
    """A network in eval mode, drawn with this seed; torch's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make_net().eval()

"""What of a network is trained: the network itself, or its linearisation at the weights that it starts from."""

from torch import nn

from hpnets.ntk import Linearised, linearize
from hpnets.options import RunOptions


def with_dynamics(net: nn.Module, dynamics: str) -> nn.Module:
    r"""`net` itself, or a copy of it, whose kernel stays that of the start whatever is trained.

        network: f(x; theta);   linearised: f(x; theta_0) + J(x; theta_0) d;   centred: J(x; theta_0) d

    d = theta - theta_0 is trained, from 0. The copy is in eval mode, so that BatchNorm normalises by the statistics
    that came with the weights, and they stay as they are. Source: Loo et al. 2022 (arXiv 2210.12030), section 4.
    """
    if dynamics == "network":
        return net
    frozen = linearize(net, centred=dynamics == "centred").eval()
    scalings = getattr(net, "scalings", {})
    # Each part of d has the rate that the parametrisation gives its parameter.
    own = {f"delta.{i}": scalings[name] for i, name in enumerate(frozen.names) if name in scalings}
    frozen.scalings = own  # type: ignore[assignment]
    return frozen


def underlying(net: nn.Module) -> nn.Module:
    """The network that a linearised one is made of, at theta_0; any other network itself."""
    return net.net if isinstance(net, Linearised) else net


def check_dynamics(options: RunOptions, generates: bool) -> None:
    """Raise ValueError for options that do not fit the training of a linearised network."""
    if options.dynamics == "network":
        return
    whole = ("32-true", "64-true")
    for name, value, fits, allowed in (
        ("model.name", options.model["name"], not generates, "networks that have a loss of their own"),
        ("optim.weight_decay", options.optim.weight_decay, not options.optim.weight_decay, "0, or d would decay to 0"),
        ("trainer.compile", options.trainer.compile, not options.trainer.compile, "False"),
        ("trainer.precision", options.trainer.precision, options.trainer.precision in whole, ", ".join(whole)),
    ):
        if not fits:
            raise ValueError(f"{name} is {value!r}; allowed with dynamics {options.dynamics!r}: {allowed}")

"""Parts of a network that are not trained: their parameters get no gradient, and their BatchNorms stay as they are."""

from torch import nn

from hpnets.patterns import matches, matching, patterns_in, trained

_NormBase = nn.modules.batchnorm._NormBase


def freeze(net: nn.Module, patterns: str) -> None:
    """Take the gradient from all parameters that a pattern matches; the patterns are parted by commas.

    Norms with running statistics in what is frozen are put into eval mode, in which Lightning leaves them; so they
    normalise by the statistics that they came with, and kernels are measured with these.

    Raises ValueError for a pattern that matches nothing, and if nothing is left to train.
    """
    named = dict(net.named_parameters())
    frozen = {name for pattern in patterns_in(patterns) for name in matching("freeze", pattern, named)}
    if frozen and not trained(net).keys() - frozen:
        raise ValueError(f"freeze is {patterns!r}, which leaves nothing to train; allowed: parts of the network")
    for name in frozen:
        named[name].requires_grad_(False)
    for name, module in net.named_modules():
        if isinstance(module, _NormBase) and any(matches(name, pattern) for pattern in patterns_in(patterns)):
            module.eval()

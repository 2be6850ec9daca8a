"""A loss as a function of parameters and a batch: any function, or that of a network and a criterion of its outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.ntk import Params, call, eager, plain_call, trainable_parameters

Loss = Callable[[Params, Any], Tensor]


@dataclass(frozen=True)
class NetworkLoss:
    r"""L(theta, (x, y)) = criterion(f(x; theta), y), whose batches are pairs (inputs, targets).

    net: f. criterion: a function of the outputs and the targets that gives the mean over samples, such as
    `torch.nn.functional.cross_entropy`. forward: a function of (net, inputs) where the outputs are not net(inputs),
    such as `lambda net, inputs: net(**inputs).logits`. Use `network_loss` to make one.
    """

    net: nn.Module
    criterion: Callable[[Tensor, Any], Tensor]
    forward: Callable[[nn.Module, Any], Tensor] | None = None

    @property
    def params(self) -> Params:
        """The network's own parameters with requires_grad, by name."""
        trainable_parameters(self.net)  # refuses lazy ones
        return {name: p for name, p in self.net.named_parameters() if p.requires_grad}

    def outputs(self, params: Params, inputs: Any) -> Tensor:
        """f(inputs; params); parameters that are not named are constants of the network's values."""
        own = dict(self.net.named_parameters())
        # Plain autograd in the network's own parameters reaches what functional calls cannot, such as the weights that
        # a checkpoint's recomputation reads.
        plain = all(own.get(name) is p for name, p in params.items())
        if self.forward is None:
            return plain_call(self.net, inputs) if plain else call(self.net, params, inputs)
        through = _Through(self.net, self.forward, inputs)
        inside = {f"net.{name}": p for name, p in params.items()}
        return plain_call(through, torch.empty(0)) if plain else call(through, inside, torch.empty(0))

    def __call__(self, params: Params, batch: Any) -> Tensor:
        inputs, targets = batch
        return self.criterion(self.outputs(params, inputs), targets)


class _Through(nn.Module):
    """A network whose outputs for fixed inputs a function gives."""

    def __init__(self, net: nn.Module, forward: Callable[[nn.Module, Any], Tensor], inputs: Any) -> None:
        super().__init__()
        self.net, self.function, self.inputs = net, forward, [inputs]
        self.training = net.training

    def forward(self, _: Tensor) -> Tensor:
        return self.function(self.net, self.inputs[0])


def network_loss(
    net: nn.Module,
    criterion: Callable[[Tensor, Any], Tensor],
    forward: Callable[[nn.Module, Any], Tensor] | None = None,
) -> NetworkLoss:
    """The loss criterion(net(x), y) of batches (x, y), with a Gauss-Newton part; see `NetworkLoss` for the arguments.

    >>> loss = network_loss(net, torch.nn.functional.cross_entropy)
    >>> sharpness(hessian(loss, loss.params, (x, y))).values
    """
    return NetworkLoss(eager(net), criterion, forward)

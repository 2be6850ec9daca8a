"""The network of "Neural Tangent Kernel: Convergence and Generalization", with its limit."""

import itertools

import torch
from torch import Tensor, nn

from hpnets.theory import Laws, Moments, Points, activation, dense, register_limit

BETA = 0.1


class JacotNet(nn.Module):
    r"""z_l = W_l a_{l-1} / sqrt(n_{l-1}) + beta b_l, l = 1..depth;   a_l = relu(z_l);   f = z_depth;   W, b ~ N(0, 1).

    x: (batch, inputs); f: (batch, 1). Source: Jacot et al. 2018 (arXiv 1806.07572), section 2, beta = 0.1.
    """

    def __init__(self, inputs: int, width: int, depth: int = 4, beta: float = BETA) -> None:
        super().__init__()
        self.beta = beta
        sizes = [inputs] + [width] * (depth - 1) + [1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        for layer in self.layers:
            nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(x) if layer is not self.layers[0] else x
            x = x @ layer.weight.T / layer.in_features**0.5 + self.beta * layer.bias
        return x


@register_limit(JacotNet)
def jacot_limit(net: JacotNet, x: Points, laws: Laws) -> Moments:
    """S_1 = x.x'/n_0 + beta^2; S_{l+1} = E[relu relu'] + beta^2; T_{l+1} = T_l E[step step'] + S_{l+1}."""
    h = dense(x.flat(), 1.0, net.beta**2)
    for _ in net.layers[1:]:
        h = dense(activation(h, "relu"), 1.0, net.beta**2)
    return h

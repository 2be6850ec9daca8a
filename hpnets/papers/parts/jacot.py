"""The MLP of NTK papers, with biases of standard deviation beta, and its limit."""

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
        self.W = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(sizes))
        self.b = nn.ParameterList(torch.empty(n) for n in sizes[1:])
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        for l, (W_l, b_l) in enumerate(zip(self.W, self.b, strict=True)):
            a = torch.relu(x) if l else x
            x = W_l(a / a.shape[1] ** 0.5) + self.beta * b_l
        return x


@register_limit(JacotNet)
def jacot_limit(net: JacotNet, x: Points, laws: Laws) -> Moments:
    """S_1 = x.x'/n_0 + beta^2; S_{l+1} = E[relu relu'] + beta^2; T_{l+1} = T_l E[step step'] + S_{l+1}."""
    h = dense(x.flat(), 1.0, net.beta**2)
    for _ in net.W[1:]:
        h = dense(activation(h, "relu"), 1.0, net.beta**2)
    return h

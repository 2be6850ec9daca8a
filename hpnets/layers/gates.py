"""Gates: feature maps multiplied by what they say of themselves."""

import torch
from torch import Tensor, nn

from hpnets.layers.products import make_product


class SqueezeExcitation(nn.Module):
    r"""x * sigmoid(W_2 relu(W_1 pool x)), one gate a channel.

    x: (batch, channels, H, W); W_1, W_2 are 1x1 convolutions with `hidden` channels between; the gate does not see
    where in the map a value stands. With product="sum", the additive twin, it is x + sigmoid(...).
    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks" (arXiv 1709.01507).
    """

    def __init__(self, channels: int, hidden: int, product: str = "hadamard") -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.product = make_product(product)

    def gate(self, x: Tensor) -> Tensor:
        """(batch, channels, 1, 1), between 0 and 1."""
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, self.gate(x).expand_as(x))

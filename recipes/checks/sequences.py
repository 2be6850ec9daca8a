"""Networks made of torch's own layers, over sequences (N, T, D)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

LENGTH, FEATURES, WIDTH = 16, 32, 64


class Recurrent(nn.Module):
    """Two recurrent layers of a kind, and a read-out of the last step."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], outputs: int) -> None:
        super().__init__()
        self.cells = kind(FEATURES, WIDTH, num_layers=2, batch_first=True)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


class Encoder(nn.Module):
    """A learnt position, two nn.TransformerEncoderLayer, and a read-out of the mean."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(FEATURES, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(1, LENGTH, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.inputs(x) + self.position).mean(1))


SEQUENCES: dict[str, Callable[[int], nn.Module]] = {
    "torch/lstm": partial(Recurrent, nn.LSTM),
    "torch/gru": partial(Recurrent, nn.GRU),
    "torch/transformer_encoder": Encoder,
}

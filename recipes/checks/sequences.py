"""Networks made of torch's own layers, over sequences (N, T, D), two of them of published sizes."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

LENGTH, FEATURES, WIDTH = 16, 32, 64
# Steps, and units of a layer and of its inputs, of the medium LSTM of Zaremba, Sutskever and Vinyals (2014).
STEPS, UNITS = 35, 650


class Recurrent(nn.Module):
    """Two recurrent layers of a kind, and a read-out of the last step."""

    def __init__(
        self, kind: type[nn.LSTM] | type[nn.GRU], outputs: int, features: int = FEATURES, width: int = WIDTH
    ) -> None:
        super().__init__()
        self.cells = kind(features, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


class Encoder(nn.Module):
    """A learnt position, `depth` nn.TransformerEncoderLayer, and a read-out of the mean."""

    def __init__(self, outputs: int, width: int = WIDTH, heads: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.inputs = nn.Linear(FEATURES, width)
        self.position = nn.Parameter(0.1 * torch.randn(1, LENGTH, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.inputs(x) + self.position).mean(1))


SEQUENCES: dict[str, Callable[[int], nn.Module]] = {
    "torch/lstm": partial(Recurrent, nn.LSTM),
    "torch/gru": partial(Recurrent, nn.GRU),
    "torch/transformer_encoder": Encoder,
}
# The encoder is the base one of Vaswani et al. (2017).
LARGE_SEQUENCES: dict[str, Callable[[int], nn.Module]] = {
    "torch/lstm_650": partial(Recurrent, nn.LSTM, features=UNITS, width=UNITS),
    "torch/transformer_encoder_base": partial(Encoder, width=512, heads=8, depth=6),
}

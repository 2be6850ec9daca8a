"""Networks over tokens, which are read off real numbers, so that samples are drawn as for other networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LENGTH, VOCABULARY = 7, 60
SPECIAL = 3  # the first tokens, of padding, start and end


class Tokens(nn.Module):
    """Some logits that `call(model, tokens)` gives: (N, O) of a classifier, or (N, T, V) read at the last token."""

    def __init__(self, model: nn.Module, outputs: int, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.outputs, self.call = model, outputs, call

    def forward(self, x: Tensor) -> Tensor:
        logits = self.call(self.model, tokens(x))
        return logits if logits.ndim == 2 else logits[:, -1, : self.outputs]


def tokens(x: Tensor) -> Tensor:
    """Integers from SPECIAL to VOCABULARY - 1, of the shape of x."""
    return SPECIAL + (1000 * x.abs()).to(torch.long) % (VOCABULARY - SPECIAL)


def logits_of(model: nn.Module, ids: Tensor) -> Any:
    """The logits of a model of transformers."""
    return model(input_ids=ids).logits

"""Recurrent layers written out step by step as Linear layers, so that each use of their weights is seen."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hpnets.ntk._origins import mark, origin

RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
CELLS = {f"{name}_cell" for name in RECURRENT}


def written_out(name: str, args: tuple[Any, ...]) -> Any:
    """The result of torch's function `name` for these arguments; None for a form that is not covered here."""
    if name in CELLS:
        return _cell(name.removesuffix("_cell"), *args)
    if len(args) != 9 or isinstance(args[3], list | tuple) or args[0].ndim != 3:
        return None  # packed sequences
    x, state, weights, biases, layers, dropout, train, both, batch_first = args
    each, directions = 4 if biases else 2, 2 if both else 1
    if len(weights) != each * layers * directions or (train and dropout and layers > 1):
        return None  # a net with projections, or one that draws
    h, c = state if name == "lstm" else (state, state)
    groups = [tuple(weights)[i : i + each] for i in range(0, len(weights), each)]
    x, last = (x if batch_first else x.transpose(0, 1)), []
    for layer in range(layers):
        parts = []
        for d in range(directions):
            i = layer * directions + d
            outputs, final = _steps(name, x, groups[i], _followed(h[i]), _followed(c[i]), backwards=d == 1)
            parts.append(outputs)
            last.append(final)
        x = torch.cat(parts, 2)
    y = x if batch_first else x.transpose(0, 1)
    final_h, final_c = (torch.stack(parts) for parts in zip(*last, strict=True))
    return (y, final_h, final_c) if name == "lstm" else (y, final_h)


def _steps(
    name: str, x: Tensor, weights: tuple[Tensor, ...], h: Tensor, c: Tensor, backwards: bool
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One direction of one layer over x (n, T, I): the outputs (n, T, H), and the state (h, c) at the end."""
    w_x, w_h = weights[:2]
    b_x, b_h = weights[2:] or (None, None)
    outputs: list[Tensor] = []
    inputs = F.linear(x, w_x, b_x).unbind(1)
    for a in reversed(inputs) if backwards else inputs:
        b = F.linear(h, w_h, b_h)
        with _unseen_if_from_samples(a, b):
            h, c = _step(name, a, b, h, c)
        outputs.append(mark(h, None))
    return torch.stack(outputs[::-1] if backwards else outputs, 1), (h, c)


def _cell(
    name: str,
    x: Tensor,
    state: Any,
    w_x: Tensor,
    w_h: Tensor,
    b_x: Tensor | None = None,
    b_h: Tensor | None = None,
) -> Any:
    if x.ndim != 2:
        return None
    h, c = (_followed(s) for s in (state if name == "lstm" else (state, state)))
    after = _step(name, F.linear(x, w_x, b_x), F.linear(h, w_h, b_h), h, c)
    return after if name == "lstm" else after[0]


def _followed(state: Tensor) -> Tensor:
    """A copy of an initial state, which may be a constant, marked as one that depends on samples."""
    return mark(state.clone(), None)


def _unseen_if_from_samples(a: Tensor, b: Tensor) -> AbstractContextManager[object]:
    """Without weights a step has nothing to see, and to see its functions takes longer than to run them."""
    both = origin(a) is None and origin(b) is None
    return torch._C.DisableTorchFunction() if both else nullcontext()


def _step(name: str, a: Tensor, b: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The state (h, c) after a step; a and b are the shares of the gates from the input and from the state."""
    if name == "lstm":
        i, f, g, o = (a + b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    if name == "gru":
        (a_r, a_z, a_n), (b_r, b_z, b_n) = a.chunk(3, 1), b.chunk(3, 1)
        z = (a_z + b_z).sigmoid()
        h = (1 - z) * (a_n + (a_r + b_r).sigmoid() * b_n).tanh() + z * h
        return h, h
    h = (a + b).relu() if name == "rnn_relu" else (a + b).tanh()
    return h, h

"""Steps that mix tokens: attention, recurrence, tokens and tables that are added."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.random_networks.step import TOKENS, Choose, Shape, Step, Ways, one_of, step


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / 2).softmax(-1) @ v


@step(TOKENS)
def attention(choose: Choose, shape: Shape) -> Step:
    """Self-attention, as torch's module or by hand."""
    T, D = shape[1:]
    batch_first = choose([True, False])
    module = nn.MultiheadAttention(
        D, 2 if D % 2 == 0 else 1, batch_first=batch_first, add_bias_kv=choose([False, True])
    )

    def by_module(h: Tensor, module: nn.Module) -> Tensor:
        x = h if batch_first else h.transpose(0, 1)
        y = module(x, x, x, need_weights=False)[0]
        return y if batch_first else y.transpose(0, 1)

    def with_biases(h: Tensor, qkv: nn.Module, b: Tensor) -> Tensor:
        q, k, v = qkv(h).unflatten(-1, (3, 4)).unbind(2)
        return (q @ k.mT / 2 + b).softmax(-1) @ v

    def linear(h: Tensor, qkv: nn.Module) -> Tensor:
        q, k, v = qkv(h).chunk(3, -1)
        return F.elu(q) @ (k.softmax(1).mT @ v)

    def tied(h: Tensor, qkv: nn.Module) -> Tensor:
        q = qkv(h)[..., :4]
        return (q @ q.mT / 2).softmax(-1) @ h

    ways = {
        "by hand": lambda h, qkv: _softmax_attention(*qkv(h).chunk(3, -1)),
        "fused": lambda h, qkv: F.scaled_dot_product_attention(*qkv(h).chunk(3, -1)),
        "linear": linear,
        "tied": tied,
        "with biases": with_biases,
    }
    name = choose(["module", *ways])
    if name == "module":
        return Step("attention", by_module, modules=[module])
    shapes = [(T, T)] if name == "with biases" else []
    return Step(f"attention {name}", ways[name], *shapes, modules=[nn.Linear(D, 12)])


@step(TOKENS)
def recurrence(choose: Choose, shape: Shape) -> Step:
    """A recurrent layer, or one by hand."""
    T, D = shape[1:]

    def by_hand(h: Tensor, A: Tensor, B: Tensor) -> Tensor:
        state, states = h.new_zeros(len(h), 3), []
        for t in range(T):
            state = torch.tanh(h[:, t] @ A + state @ B)
            states.append(state)
        return torch.stack(states, 1)

    kind = choose([nn.LSTM, nn.GRU, nn.RNN, None])
    if kind is None:
        return Step("recurrence by hand", by_hand, (D, 3), (3, 3))
    layer = kind(D, 3, batch_first=True, bidirectional=choose([False, True]))
    return Step(kind.__name__, lambda h, layer: layer(h)[0], modules=[layer])


@step(TOKENS)
def mixing(choose: Choose, shape: Shape) -> Step:
    """Parameters that meet tokens in other ways."""
    T, D = shape[1:]
    ways: Ways = {
        "class token": ([(1, 1, D)], lambda h, c: torch.cat([c.expand(len(h), -1, -1), h], 1) if T < 7 else h + c),
        "positions": ([(3, D)], lambda h, e: h + e[[t % 3 for t in range(T)]]),
        "table": ([(2, D)], lambda h, e: h + F.embedding((h[..., 0] > 0).long(), e)),
        "mean added": ([(D, D)], lambda h, W: h + (h.mean(1) @ W)[:, None]),
        "gated by the largest": ([(D, D)], lambda h, W: h * (h.amax(1, keepdim=True) @ W).sigmoid()),
        "gated by a mixture": ([(T, T), (T, 1)], lambda h, W, b: h * (torch.tanh(W @ h) + b)),
        "scores": ([(D, D)], lambda h, W: torch.einsum("ntd,nsf,df->nts", h, h, W)),
        "shifted": ([(), (D,)], lambda h, a, b: h * a + h.roll(1, 1) * b),
        "Conv1d": ([(4, D, 3)], lambda h, W: F.conv1d(h.mT, W, padding=1).mT),
    }
    return one_of(choose, "tokens:", ways)

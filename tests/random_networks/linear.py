"""Linear maps: over the last axis, over another one, over tokens each by its own matrix."""

import string

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.random_networks.step import IMAGE, TOKENS, VECTOR, Choose, Shape, Step, Ways, one_of, step
from tests.random_networks.weights import draw_matrix

WIDTHS = (2, 3, 4, 6)
LAST = {
    "linear": F.linear,
    "matmul": lambda h, W: h @ W.T,
    "einsum": lambda h, W: torch.einsum("...i,oi->...o", h, W),
    "tensordot": lambda h, W: torch.tensordot(h, W, dims=([-1], [1])),
    "inner": torch.inner,
    "column vectors": lambda h, W: (W @ h[..., None])[..., 0],
    "products summed": lambda h, W: (h[..., None, :] * W).sum(-1),
    "unit by unit": lambda h, W: torch.stack([h @ row for row in W], -1),
    "addmm": lambda h, W: torch.addmm(W[:, 0], h.flatten(0, -2), W.T).view(*h.shape[:-1], -1),
    "a matrix a sample": lambda h, W: torch.bmm(
        h.flatten(1, -2) if h.ndim > 2 else h[:, None], W.T.expand(len(h), -1, -1)
    ).view(*h.shape[:-1], -1),
    "two products": lambda h, W: torch.linalg.multi_dot([h.flatten(0, -2), W.T, W]).view(h.shape),
}


@step(VECTOR, TOKENS, IMAGE)
def layer(choose: Choose, shape: Shape) -> Step:
    """nn.Linear."""
    linear = nn.Linear(shape[-1], choose(WIDTHS), bias=choose([True, False]))
    return Step("Linear", lambda h, linear: linear(h), modules=[linear])


@step(VECTOR, TOKENS, IMAGE)
def over_the_last_axis(choose: Choose, shape: Shape) -> Step:
    """A matrix of any making, used in any way."""
    made, shapes, matrix = draw_matrix(choose, choose(WIDTHS), shape[-1])
    used = choose(list(LAST))
    return Step(f"{used}, {made}", lambda h, *parameters: LAST[used](h, matrix(*parameters)), *shapes)


@step(TOKENS, IMAGE)
def over_another_axis(choose: Choose, shape: Shape) -> Step:
    """A matrix that mixes tokens, channels or rows."""
    axis = choose(range(1, len(shape) - 1))
    made, shapes, matrix = draw_matrix(choose, choose(WIDTHS), shape[axis])
    before, after = string.ascii_lowercase[:axis], string.ascii_lowercase[axis : len(shape) - 1]
    equation = f"{before}i{after},oi->{before}o{after}".replace("i", "I").replace("o", "O")
    ways = {
        "transposed": lambda h, W: F.linear(h.transpose(axis, -1), W).transpose(axis, -1),
        "moved": lambda h, W: (h.movedim(axis, -1) @ W.T).movedim(-1, axis).contiguous(),
        "einsum": lambda h, W: torch.einsum(equation, h, W),
        "from the left": lambda h, W: (W @ h.flatten(axis + 1)).unflatten(-1, h.shape[axis + 1 :]),
    }
    used = choose(list(ways))
    return Step(f"axis {axis} {used}, {made}", lambda h, *parameters: ways[used](h, matrix(*parameters)), *shapes)


@step(TOKENS)
def token_by_token(choose: Choose, shape: Shape) -> Step:
    """A matrix for each token, or one for all tokens together."""
    (_, T, D), o = shape, choose(WIDTHS)
    ways: Ways = {
        "einsum": ([(T, D, o)], lambda h, W: torch.einsum("ntd,tdo->nto", h, W)),
        "matmul": ([(T, D, o)], lambda h, W: (h[:, :, None] @ W)[:, :, 0]),
        "baddbmm": ([(T, D, o), (T, 1, o)], lambda h, W, b: torch.baddbmm(b, h.transpose(0, 1), W).transpose(0, 1)),
        "one by one": ([(T, D, o)], lambda h, W: torch.stack([h[:, t] @ W[t] for t in range(T)], 1)),
        "together": ([(T, D, 2, o)], lambda h, W: torch.einsum("ntd,tdso->nso", h, W)),
        "heads": ([(2, D, 3), (2, 3, o)], lambda h, A, B: torch.einsum("ntd,hde,heo->nto", h, A, B)),
        "bilinear": ([(D, D, o)], lambda h, W: torch.einsum("ntd,nte,deo->nto", h, h.tanh(), W)),
        "by the tokens' mean": ([(D, D * o)], lambda h, W: h @ (h.mean(1) @ W).view(-1, D, o)),
    }
    return one_of(choose, "matrices of tokens:", ways)


@step(TOKENS)
def tokens_as_rows(choose: Choose, shape: Shape) -> Step:
    """A Linear layer over tokens that stand among the samples."""
    T, D = shape[1:]
    linear = nn.Linear(D, choose(WIDTHS))

    def windows(h: Tensor, linear: nn.Linear) -> Tensor:
        return linear(h.reshape(-1, 2, D)).reshape(len(h), T, -1) if T % 2 == 0 else linear(h)

    ways = {
        "flattened": lambda h, linear: linear(h.flatten(0, 1)).unflatten(0, (-1, T)),
        "time first": lambda h, linear: linear(h.transpose(0, 1)).transpose(0, 1),
        "windows": windows,
    }
    used = choose(list(ways))
    return Step(f"rows: {used}", ways[used], modules=[linear])

"""Steps without parameters that rearrange features, and those that turn vectors, tokens and images into each other."""

import torch
from torch import nn

from tests.random_networks.step import IMAGE, TOKENS, VECTOR, Choose, Shape, Step, step


@step(VECTOR, TOKENS, IMAGE)
def rearranged(choose: Choose, shape: Shape) -> Step:
    """An order of an axis that is fixed, or that the features give."""
    axis = choose(range(1, len(shape)))
    size = shape[axis]
    order = [(j * 2 + 1) % size if size % 2 else (j + 1) % size for j in range(size)]
    ways = {
        "rolled": lambda h: h.roll(1, axis),
        "reversed": lambda h: h.flip(axis),
        "chosen": lambda h: h.index_select(axis, torch.tensor(order, device=h.device)),
        "summed up": lambda h: h.cumsum(axis) / 2,
        "sorted": lambda h: h.sort(axis).values,
        "the largest": lambda h: h.topk(max(1, size - 1), axis).values,
        "halves swapped": lambda h: torch.cat(h.chunk(2, axis)[::-1], axis),
        "doubled": lambda h: torch.cat([h, torch.tanh(h)], axis) if size < 5 else h,
        "laid out": lambda h: h.transpose(1, -1).contiguous().transpose(1, -1),
    }
    name = choose(list(ways))
    return Step(f"axis {axis} {name}", ways[name])


@step(VECTOR)
def vector_to_tokens(choose: Choose, shape: Shape) -> Step | None:
    """Tokens, cut from the vector or made of it by a layer."""
    D, T = shape[1], choose([2, 3])
    if choose([False, True]):
        return Step("to tokens", lambda h, linear: linear(h).view(-1, T, 3), modules=[nn.Linear(D, 3 * T)])
    return Step("cut into tokens", lambda h: h.view(-1, T, D // T)) if D % T == 0 else None


@step(TOKENS)
def tokens_to_others(choose: Choose, shape: Shape) -> Step:
    """An image, a vector, or the last token."""
    T, D = shape[1:]
    ways = {
        "an image": lambda h: h[:, None],
        "flattened": lambda h: h.flatten(1),
        "the last": lambda h: h[:, -1],
    }
    name = choose([*ways, "a layer's image"])
    if name in ways:
        return Step(f"tokens: {name}", ways[name])
    return Step(name, lambda h, linear: linear(h).mT.unflatten(2, (T, 1)), modules=[nn.Linear(D, 4)])


@step(IMAGE)
def image_to_others(choose: Choose, shape: Shape) -> Step:
    """Tokens, rows as tokens, a vector, or the mean."""
    ways = {
        "tokens": lambda h: h.flatten(2).mT,
        "rows": lambda h: h.flatten(1, 2),
        "flattened": lambda h: h.flatten(1),
        "mean": lambda h: h.mean((2, 3)),
    }
    name = choose(list(ways))
    return Step(f"image to {name}", ways[name])

"""Ways in which a matrix (o, i) is made of parameters."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.random_networks.step import Choose, Shape

# By name: the parameters' shapes, and the matrix that they give.
_Way = tuple[Callable[[int, int], list[Shape]], Callable[..., Tensor]]


def _matrix(o: int, i: int) -> list[Shape]:
    return [(o, i)]


def _same(W: Tensor) -> Tensor:
    return W


def _matrices(o: int, i: int) -> dict[str, _Way]:
    return {
        "itself": (_matrix, _same),
        "transposed": (lambda o, i: [(i, o)], lambda W: W.T),
        "laid out anew": (lambda o, i: [(i, o)], lambda W: W.T.contiguous()),
        "a sum": (lambda o, i: [(o, i), (o, i)], lambda W, V: W + V),
        "rows in reverse": (_matrix, lambda W: W.flip(0)),
        "columns rolled": (_matrix, lambda W: W[:, [(j + 1) % i for j in range(i)]]),
        "low rank": (lambda o, i: [(o, 2), (2, i)], torch.matmul),
        "outer product": (lambda o, i: [(o,), (i,)], torch.outer),
        "normalised": (lambda o, i: [(o, i), (o, 1)], lambda W, g: F.normalize(W, dim=1) * g),
        "softmax": (_matrix, lambda W: W.softmax(0)),
        "lower triangle": (_matrix, torch.tril),
        "symmetric": (_matrix, lambda W: W + W.T if o == i else W),
        "scaled": (lambda o, i: [(o, i), ()], lambda W, s: W * (s / math.sqrt(i))),
        "a slice": (lambda o, i: [(o + 1, i + 1)], lambda W: W[1:, :-1]),
        "a chunk": (lambda o, i: [(2 * o, i)], lambda W: W.chunk(2)[1]),
        "stacked": (lambda o, i: [(1, i), (o - 1, i)], lambda W, V: torch.cat([W, V])),
        "one row repeated": (lambda o, i: [(1, i), (o,)], lambda W, b: W.repeat(o, 1) + b[:, None]),
        "rows chosen": (lambda o, i: [(2, i)], lambda W: W[[j % 2 for j in range(o)]]),
        "of a flat parameter": (lambda o, i: [(o * i + 5,)], lambda f: f[3 : 3 + o * i].view(o, i)),
        "interpolated": (_matrix, lambda W: F.interpolate(W[None], size=i, mode="linear")[0]),
    }


def draw_matrix(choose: Choose, o: int, i: int) -> tuple[str, list[Shape], Callable[..., Tensor]]:
    """A name, the parameters' shapes, and the function of the parameters that gives the matrix (o, i)."""
    ways = _matrices(o, i)
    name = choose(list(ways))
    shapes, matrix = ways[name]
    return name, shapes(o, i), matrix

"""A step of a random network, and the register of functions that draw one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

Shape = tuple[int, ...]
# Draws one of the values given, by hypothesis, which looks for the simplest network that fails.
Choose = Callable[[Sequence[Any]], Any]
# A function of the features' shape (N, ...) that draws a step, or None where none fits the shape.
Maker = Callable[[Choose, Shape], "Step | None"]
Made = TypeVar("Made", bound=Maker)
# By name: the parameters' shapes, and the function of features and these parameters.
Ways = dict[str, tuple[list[Shape], Callable[..., Tensor]]]

VECTOR, TOKENS, IMAGE = 2, 3, 4  # the numbers of axes of (N, D), (N, T, D) and (N, C, H, W)
MAKERS: dict[int, list[Maker]] = {VECTOR: [], TOKENS: [], IMAGE: []}


class Step(nn.Module):
    """h -> f(h, *modules, *parameters), with parameters of these shapes."""

    def __init__(self, label: str, f: Callable[..., Tensor], *shapes: Shape, modules: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.label, self.f = label, f
        self.held = nn.ModuleList(modules)
        self.own = nn.ParameterList(torch.randn(shape) / 2 for shape in shapes)

    def forward(self, h: Tensor) -> Tensor:
        return self.f(h, *self.held, *self.own)


def one_of(choose: Choose, kind: str, ways: Ways) -> Step:
    """A step in one of the ways."""
    name = choose(list(ways))
    shapes, f = ways[name]
    return Step(f"{kind} {name}", f, *shapes)


def step(*axes: int) -> Callable[[Made], Made]:
    """Register a function that draws steps for features of so many axes."""

    def register(make: Made) -> Made:
        for count in axes:
            MAKERS[count].append(make)
        return make

    return register


def chooser(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Choose:
    """The choice of one value by hypothesis."""
    return lambda values: draw(st.sampled_from(list(values)))

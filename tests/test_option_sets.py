"""Options that are said once: what a constructor that takes a set of them looks like from outside."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pytest

from hpnets.option_sets import Option, OptionSet, declared, option_docs, takes
from hpnets.validate import at_least, one_of

COUNT = partial(at_least, minimum=1)


@dataclass(frozen=True)
class Sizes(OptionSet):
    depth: Annotated[int, Option("layers", COUNT)] = 2
    width: Annotated[int | None, Option("units; null is 8", COUNT)] = None


@dataclass(frozen=True)
class Shapes(OptionSet):
    form: Annotated[str, Option("form", partial(one_of, allowed=("round", "square")))] = "round"


@dataclass(frozen=True)
class NetOptions(Shapes, Sizes):
    depth: Annotated[int, Option("layers", COUNT)] = 3
    noise: Annotated[float, Option("noise")] = 0.0


class Net:
    @takes(NetOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: NetOptions) -> None:
        self.given = (input_shape, output_dim, o)


def test_the_fields_are_taken_by_place_and_by_name() -> None:
    expected = ((3,), 2, NetOptions(4, 5, "square"))
    assert Net((3,), 2, 4, 5, "square").given == expected
    assert Net((3,), 2, form="square", width=5, depth=4).given == expected
    by_name: dict[str, Any] = {"output_dim": 2, "form": "square", "input_shape": (3,), "width": 5, "depth": 4}
    construct: Callable[..., Net] = Net  # the types want the first two by place
    assert construct(**by_name).given == expected
    assert Net((3,), 2).given == ((3,), 2, NetOptions(3, None, "round", 0.0))
    with pytest.raises(TypeError, match="unexpected keyword argument 'widht'"):
        Net((3,), 2, widht=5)  # type: ignore[call-arg]


def test_the_signature_has_the_fields_the_last_bases_first() -> None:
    parameters = declared(Net)
    assert list(parameters) == ["input_shape", "output_dim", "depth", "width", "form", "noise"]
    assert [p.default for p in parameters.values()][2:] == [3, None, "round", 0.0]
    assert [p.annotation for p in parameters.values()][2:] == [int, int | None, str, float]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth is 0; allowed: an integer >= 1"),
        ({"depth": None}, "depth is None; allowed: an integer >= 1"),
        ({"width": 0}, "width is 0; allowed: an integer >= 1"),
        ({"form": "sqare"}, "form is 'sqare'; did you mean square?"),
    ],
)
def test_each_field_is_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Net((3,), 2, **options)


def test_a_check_may_change_its_value() -> None:
    @dataclass(frozen=True)
    class Scaled(OptionSet):
        scale: Annotated[float, Option("scale", lambda name, value: float(value))] = 1.0

    assert type(Scaled(2).scale) is float


def test_what_is_said_of_the_options() -> None:
    docs = option_docs(Net)
    assert list(docs) == ["depth", "width", "form", "noise"]
    assert docs["width"].line == "units; null is 8; allowed: an integer >= 1"
    assert docs["form"].allowed == "round, square"
    assert docs["noise"].line == "noise"
    assert option_docs(len) == {}

"""Values read by their types and checked: what fits, and what is refused, in one format of words."""

import ast
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from hpnets.validate import (
    at_least,
    boolean,
    finite,
    image_shape,
    one_of,
    positive,
    read,
    require,
    require_shape,
    shown,
)

Step = int | Literal["epoch", "off"]
FIT: list[tuple[Any, Any, Any]] = [
    (3, int, 3),
    ("3", int, 3),
    ("-3", int, -3),
    (np.int64(3), int, 3),
    (2**63 - 1, int, 2**63 - 1),
    (3, float, 3),
    (0.5, float, 0.5),
    ("1e-4", float, 1e-4),
    ("-.5", float, -0.5),
    ("1E3", float, 1000.0),
    (math.inf, float, math.inf),
    (10**30, float, 10**30),
    (np.float32(0.5), float, 0.5),
    (True, bool, True),
    ("a", str, "a"),
    (None, int | None, None),
    ("5", Step, 5),
    ("epoch", Step, "epoch"),
    (False, Step, "off"),
    ([1, "2"], list[int], [1, 2]),
    ((1, 2), list[int] | str, (1, 2)),
    ("1,2", list[int] | str, "1,2"),
    ([0, 1.5], tuple[float, float] | None, [0, 1.5]),
    ([1, 2, 3], tuple[int, ...], [1, 2, 3]),
    ([1, "a"], list, [1, "a"]),
    ({"a": 1}, dict[str, Any], {"a": 1}),
    (print, Any, print),
]


@pytest.mark.parametrize(("value", "kind", "expected"), FIT, ids=str)
def test_what_fits(value: Any, kind: Any, expected: Any) -> None:
    got = read("x", value, kind)
    assert got == expected
    assert type(got) in (int, float, bool, str, list, tuple, dict, type(None), type(print))


UNFIT: list[tuple[Any, Any, str]] = [
    (None, int, "an integer"),
    (True, int, "an integer"),
    (3.0, int, "an integer"),
    ("3.0", int, "an integer"),
    (2**63, int, "an integer"),
    ("9" * 30, int, "an integer"),
    (True, float, "a number"),
    ("nan", float, "a number"),
    ("inf", float, "a number"),
    ("1e999", float, "a number"),
    ("1.2.3", float, "a number"),
    ("", float, "a number"),
    (".", float, "a number"),
    (10**400, float, "a number"),
    ("yes", bool, "true or false"),
    (1, bool, "true or false"),
    (1, str, "a text"),
    ("epcoh", Step, "an integer, 'epoch', 'off'"),
    (True, Step, "an integer, 'epoch', 'off'"),
    ([1, None], list[int] | None, "a list of integers, null"),
    ("1,2", list[int], "a list of integers"),
    ([1], tuple[float, float], "a list of numbers"),
    ("a", list, "a list of values"),
    ([], dict[str, Any], "options by name"),
]


@pytest.mark.parametrize(("value", "kind", "allowed"), UNFIT, ids=str)
def test_what_does_not_fit(value: Any, kind: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"optim.lr is {shown(value)}; allowed: {allowed}") + "$"):
        read("optim.lr", value, kind)


def test_long_values_are_cut_and_shown_on_one_line() -> None:
    assert shown("a") == "'a'"
    assert len(shown("a" * 300)) == 80
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"


def test_the_checks_give_back_what_they_allow() -> None:
    assert at_least("width", 3, 3) == 3
    assert type(at_least("width", np.int64(4), 3)) is int
    assert one_of("norm", "a", ["a", "b"]) == "a"
    assert boolean("skip", True) is True
    assert boolean("skip", False) is False
    assert image_shape((3, 8, 9), minimum=8) == (3, 8, 9)
    for value in (1, 0.5, 1e-9, np.float32(0.5)):
        assert type(positive("scale", value)) is float
        assert positive("scale", value) == finite("scale", value) == finite("scale", value, minimum=0) == value
    assert finite("scale", -1) == -1
    require(True, "a", 1, "2")
    require_shape(True, "x", None, "never read")


NO_NUMBERS: list[Any] = [math.inf, math.nan, True, "1", None]


@pytest.mark.parametrize(
    ("check", "arguments", "message"),
    [
        *[(at_least, ("width", v, 3), f"width is {v!r}; allowed: an integer >= 3") for v in (2, -1, 3.5, True, "4")],
        *[(positive, ("lr", v), f"lr is {v!r}; allowed: a finite number > 0") for v in (0, -1.0, *NO_NUMBERS)],
        *[(finite, ("a", v), f"a is {v!r}; allowed: a finite number") for v in NO_NUMBERS],
        (finite, ("a", -0.1, 0), "a is -0.1; allowed: a finite number >= 0"),
        (one_of, ("norm", "btch", ["batch", "group"]), "norm is 'btch'; did you mean batch?"),
        (one_of, ("norm", None, ["batch", "group"]), "norm is None; allowed: batch, group"),
        *[(boolean, ("skip", v), f"skip is {v!r}; allowed: true or false") for v in ("no", "true", 0, 1, None)],
        *[
            (image_shape, (s, 8), f"input_shape is {s}; allowed: images (channels, height, width) of at least 8x8")
            for s in ((3, 8, 7), (64,))
        ],
        (require, (False, "seed", 3, "4"), "seed is 3; allowed: 4"),
        (require_shape, (False, "x", np.ones((2, 3)), "(N,)"), "x has shape (2, 3); allowed: (N,)"),
    ],
)
def test_the_checks_refuse_the_rest(check: Callable[..., Any], arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(*arguments)


SOURCES = sorted((Path(__file__).parents[1] / "hpnets").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(path.parents[2])))
def test_all_messages_have_the_one_format(path: Path) -> None:
    """What is allowed stands after "; allowed", or "allowed for ..."; no message has another dialect."""
    texts = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
    for text in map(ast.unparse, texts):
        assert not re.search(r"allowed (is|are)\b|: allowed:|must be|should be a|expected|={[^}]*!?r?}:", text), text

"""Values read by their types: what fits, and what is refused in words."""

import math
import re
from typing import Any, Literal

import numpy as np
import pytest

from hpnets.validate import read, shown

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

"""Names of checkpoints and configs as tests take them: those on data that is not bundled are slow tests."""

from collections.abc import Iterable
from typing import Any

import pytest

NEEDS_DATA = "fashion_mnist"  # apt-get install dataset-fashion-mnist


def bundled_first(items: Iterable[Any]) -> list[Any]:
    """The items as parameters named by `name` or by themselves; a task whose data is not bundled marks one slow."""
    return [_parameter(item, str(getattr(item, "name", item))) for item in items]


def _parameter(item: Any, name: str) -> Any:
    return pytest.param(item, id=name, marks=[pytest.mark.slow] if name.endswith(NEEDS_DATA) else [])

"""What help says of options: every one of every model and task, and what a class of one's own documents."""

import pytest

from hpnets.commands.option_help import described, docstring, option_help
from hpnets.models import list_models, model_options
from hpnets.tasks import list_tasks, task_options

FREE = {"root"}  # any text is allowed


@pytest.mark.parametrize(
    ("kind", "name"), [*(("model", m) for m in list_models()), *(("task", t) for t in list_tasks())]
)
def test_every_option_says_what_it_is(kind: str, name: str) -> None:
    lines = option_help(kind, name)
    options = model_options(name) if kind == "model" else task_options(name)
    assert list(lines) == list(options)
    for key, line in lines.items():
        text, _, allowed = line.partition("; allowed: ")
        assert 5 <= len(text) <= 110, f"{key}: {line}"
        assert not text.startswith("allowed"), key
        assert bool(allowed) == (kind == "model") or key in FREE or kind == "task", f"{key}: {line}"


def test_choices_are_named() -> None:
    assert option_help("model", "ccp")["product"].endswith("; allowed: hadamard, sum")
    assert "; allowed: cos, " in option_help("task", "line")["target"]
    assert "allowed" not in option_help("task", "mnist")["root"]


class Base:
    """A base.

    Args:
        depth: of the base
        width: of the base
    """


class Derived(Base):
    """A net; see Args: below.

    Args:
        width: units of a hidden layer, on a line
            and another
        rate: a: b

    Source: none.
    """


def test_docstrings_are_read_with_those_of_the_bases() -> None:
    expected = {"depth": "of the base", "width": "units of a hidden layer, on a line and another", "rate": "a: b"}
    assert described(Derived) == expected
    assert described(object) == described(type("Bare", (), {})) == {}
    assert docstring({"rate": "a: b"}) == "Options.\n\nArgs:\n    rate: a: b"

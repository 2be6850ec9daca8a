"""docs/reference/ntk.md is what recipes/docs/reference.py writes, and every public name explains itself."""

import dataclasses
from pathlib import Path

import pytest

from hpnets import linalg, ntk
from hpnets.report import check_markers
from recipes.docs.reference import MARKER, arguments, escaped, first_line, rows, table
from tests.in_process import ROOT, run_module

PAGE = ROOT / "docs" / "reference" / "ntk.md"
MODULES = [(ntk, ""), (ntk.metrics, "metrics."), (linalg, "hpnets.linalg.")]


def run(page: Path) -> int:
    """Exit status of `python -m recipes.docs.reference --page PAGE`, run in this process."""
    return run_module("recipes.docs.reference", "--page", str(page))


def test_the_page_is_up_to_date() -> None:
    begin, end = check_markers(PAGE, MARKER)
    written = PAGE.read_text().partition(begin)[2].partition(end)[0]
    assert written == f"\n{table()}\n", "run: python -m recipes.docs.reference --page docs/reference/ntk.md"


def test_the_recipe_writes_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- {MARKER} -->\nold\n<!-- end {MARKER} -->\nafter\n")
    assert run(page) == 0
    assert page.read_text() == f"before\n<!-- {MARKER} -->\n{table()}\n<!-- end {MARKER} -->\nafter\n"


def test_a_page_without_the_markers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    assert run(page) == 2
    assert "lacks the markers" in capsys.readouterr().err
    assert page.read_text() == "nothing\n"


def test_every_public_name_has_a_row_with_a_text() -> None:
    texts = {name.partition("(")[0]: text for module, prefix in MODULES for name, text in rows(module, prefix)}
    assert {prefix + name for module, prefix in MODULES for name in module.__all__} <= set(texts)
    assert not [name for name, text in texts.items() if not text.strip()]
    # A dataclass without a docstring gets its signature for one.
    assert not [name for name, text in texts.items() if text.startswith(f"{name.rpartition('.')[2]}(")]


def test_methods_and_properties_have_rows() -> None:
    texts = dict(rows(ntk, ""))
    assert texts["NTKOperator.matvec(v)"] == first_line(ntk.NTKOperator.matvec)
    assert "Spectrum.rows" in dict(rows(linalg, ""))


def f(a: int, *, b: str = "x") -> None:
    """First.

    Second.
    """


@dataclasses.dataclass(frozen=True)
class Shown:
    """A dataclass."""

    a: int
    b: int = dataclasses.field(repr=False)
    c: int = 2


def test_arguments_are_shown_without_types_and_without_hidden_fields() -> None:
    assert arguments(f) == "(a, *, b='x')"
    assert arguments(Shown) == "(a, c=2)"
    assert arguments(ntk.metrics) == ""
    assert first_line(f) == "First."
    assert escaped("|K|") == r"\|K\|"

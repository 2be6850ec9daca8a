"""docs/concepts/theory.md: what it names as holding a formula is there, and each row of the algebra has one."""

import re
from pathlib import Path

import hpnets.theory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "concepts" / "theory.md").read_text()
ALGEBRA = PAGE.split("## The algebra")[1].split("\n\nThey compose")[0]
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 10
    assert named <= set(re.findall(r"def (test_\w+)\(", TESTS))


def test_each_row_of_the_algebra_names_its_function_and_its_test() -> None:
    rows = [line.strip("|").split("|") for line in ALGEBRA.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 10
    for row in rows:
        functions = re.findall(r"`([a-z_]+)`", row[-2])
        assert functions
        assert set(functions) <= set(hpnets.theory.__all__)
        assert re.search(r"`test_\w+`", row[-1])

"""Names and options, and the answers to wrong ones."""

from importlib import import_module
from pathlib import Path

import pytest

from hpnets.registry import ClassRegistry, nearest


class Cat:
    """A cat of nine lives,
    as all cats have. It sleeps.

    And eats.
    """

    def __init__(self, lives: int = 9, name: str = "Tom") -> None:
        self.lives, self.name = lives, name


class Dog: ...


@pytest.fixture
def animals() -> ClassRegistry[object]:
    registry: ClassRegistry[object] = ClassRegistry("animal")
    registry.register("cat")(Cat)
    registry.register("house_cat")(Cat)
    registry.register("dog")(Dog)
    return registry


def test_nearest() -> None:
    assert nearest("widht", ["width", "depth"]) == "did you mean width?"
    assert nearest("dept", ["depth", "dept2"]) == "did you mean depth or dept2?"
    assert nearest("xyz", ["width", "depth"]) == "allowed: depth, width"
    assert nearest("a", iter(["b"])) == "allowed: b"


def test_summary_is_the_first_sentence_of_the_docstring(animals: ClassRegistry[object]) -> None:
    assert animals.summary("cat") == "A cat of nine lives, as all cats have"
    assert animals.summary("dog") == ""
    with pytest.raises(ValueError, match="unknown animal 'cta'; did you mean cat"):
        animals.summary("cta")


def test_register_returns_the_class(animals: ClassRegistry[object]) -> None:
    assert animals.register("other")(Cat) is Cat
    assert animals.get("other") is Cat


def test_a_taken_name_is_refused_and_kept(animals: ClassRegistry[object]) -> None:
    with pytest.raises(ValueError, match=r"animal 'cat' is registered already, by .*Cat"):
        animals.register("cat")(Dog)
    assert animals.get("cat") is Cat


def test_names_are_sorted_and_match_a_pattern(animals: ClassRegistry[object]) -> None:
    assert animals.names() == ["cat", "dog", "house_cat"]
    assert animals.names("*cat*") == ["cat", "house_cat"]
    assert animals.names("cow") == []


def test_an_unknown_name_is_answered_with_the_nearest(animals: ClassRegistry[object]) -> None:
    with pytest.raises(ValueError, match="unknown animal 'cta'; did you mean cat"):
        animals.get("cta")
    with pytest.raises(ValueError, match="unknown animal 'xyz'; allowed: cat, dog, house_cat"):
        animals.create("xyz")


def test_options_and_create(animals: ClassRegistry[object]) -> None:
    assert {key: p.default for key, p in animals.options("cat").items()} == {"lives": 9, "name": "Tom"}
    cat = animals.create("cat", lives=3)
    assert isinstance(cat, Cat)
    assert (cat.lives, cat.name) == (3, "Tom")


def test_an_unknown_option_is_answered_with_the_nearest(animals: ClassRegistry[object]) -> None:
    with pytest.raises(ValueError, match="animal 'cat' has no option 'live'; did you mean lives"):
        animals.create("cat", live=1)


def test_all_modules_of_a_package_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo_of_tests").mkdir()
    (tmp_path / "zoo_of_tests" / "__init__.py").write_text(
        "from hpnets.registry import import_all\nNAMES = []\nimport_all(__name__, __path__)\n"
    )
    for name in ("cow", "bee"):
        (tmp_path / "zoo_of_tests" / f"{name}.py").write_text(
            f"import zoo_of_tests\nzoo_of_tests.NAMES.append({name!r})\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    assert import_module("zoo_of_tests").NAMES == ["bee", "cow"]

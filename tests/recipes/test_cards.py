"""docs/reference/models is what recipes/zoo/cards.py writes, and says of each network what code and index say."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hpnets import list_models
from hpnets.models import model_option_docs, model_options
from hpnets.models.cost import cost
from recipes.zoo.cards import card, escaped, families, markdown
from recipes.zoo.sizes import IMAGE, build, sizes, type_name
from tests.in_process import run_module
from tests.report.test_zoo_report import entry
from tests.training.runs import ROOT

PAGES = ROOT / "docs" / "reference" / "models"


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Contents with markers, an index of one network with its spectrum, as the working directory."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Docs\n<!-- models -->\n<!-- end models -->\nend\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "index.json").write_text(json.dumps([entry("glu", "accuracy", 0.9)]))
    (tmp_path / "docs" / "results" / "zoo").mkdir(parents=True)
    spectra = {"glu-digits": {"ours": [[2.0, 1.0]], "twin": []}}
    (tmp_path / "docs" / "results" / "zoo" / "spectra.json").write_text(json.dumps(spectra))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs"


def test_the_pages_are_up_to_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert run_module("recipes.zoo.cards", "--check", "true") == 0, capsys.readouterr().err


def test_pages_are_written_and_then_not_stale(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_module("recipes.zoo.cards", "--check", "true") == 1
    assert "stale: docs/reference/models/adain.md, " in capsys.readouterr().err
    assert not (docs / "reference").exists()
    assert run_module("recipes.zoo.cards") == 0
    assert run_module("recipes.zoo.cards", "--check", "true") == 0
    assert {path.stem for path in (docs / "reference" / "models").glob("*.md")} == set(families())
    assert [path.name for path in (docs / "reference" / "models").glob("*.svg")] == ["glu.svg"]
    contents = (docs / "README.md").read_text()
    assert "[bilinear, glu, swiglu](reference/models/glu.md)" in contents
    assert contents.startswith("# Docs\n<!-- models -->\n- [")
    assert contents.endswith(".\n<!-- end models -->\nend\n")


def test_what_changed_is_named(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page, the contents, a page that is left over."""
    run_module("recipes.zoo.cards")
    for name in ("reference/models/ccp.md", "README.md", "reference/models/old.md"):
        file = docs / name
        before = file.read_text() if file.exists() else None
        file.write_text((before or "").replace("ccp", "cpp"))
        assert run_module("recipes.zoo.cards", "--check", "true") == 1
        error = capsys.readouterr().err
        assert f"stale: docs/{name}; run: python -m recipes.zoo.cards" in error
        assert error.count("\n") == 1
        file.unlink() if before is None else file.write_text(before)


def test_contents_without_markers_are_refused(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docs / "README.md").write_text("nothing\n")
    assert run_module("recipes.zoo.cards") == 2
    assert "lacks the markers" in capsys.readouterr().err
    shutil.rmtree(docs / "reference", ignore_errors=True)


def test_every_model_is_on_one_page() -> None:
    assert sorted(name for models in families().values() for name in models) == list_models()
    assert families()["glu"] == ["bilinear", "glu", "swiglu"]


@pytest.mark.parametrize("family", families())
def test_a_card_has_formula_source_and_options(family: str) -> None:
    models = families()[family]
    text = card(family, models, [], {})
    for name in models:
        assert f"## `{name}`\n" in text
        docs = model_option_docs(name)
        for key, p in model_options(name).items():
            said = f"{escaped(docs[key].text)} | {type_name(p)} | {docs[key].allowed}"
            assert f"\n| `--model.{key}` | {said} | `{p.default}` |\n" in text
    assert "Raises ValueError" in text
    if family not in ("cnn", "mlp", "resnet"):  # baselines that no paper of ours states
        assert "Source: " in text
        assert "\n    " in text  # a displayed formula


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("ccp", "degree", "an integer >= 1"),
        ("ccp", "product", "hadamard, sum"),
        ("mlp", "bias", "true or false"),
        ("bacon", "period", "a finite number > 0"),
        ("starnet", "size", "mini, s1, s2, s3, s4"),
        ("ccp", "base_width", "an integer >= 1"),
    ],
)
def test_what_is_allowed_is_what_the_models_errors_say(name: str, key: str, expected: str) -> None:
    assert model_option_docs(name)[key].allowed == expected
    with pytest.raises(ValueError, match=re.escape(f"; allowed: {expected}") + "|: allowed: " + re.escape(expected)):
        build(name, **{key: "?"})


def test_sizes_are_those_of_the_networks_themselves() -> None:
    for name, size in (("starnet", "s1"), ("style_generator", "small")):
        counted = sizes(name)[size]
        assert counted == cost(build(name, size=size), IMAGE)
        text = card(name, [name], [], {})
        assert f"| `{size}` | {counted.parameters:,} | {counted.flops:,} |" in text
    assert list(sizes("starnet")) == ["mini", "s1", "s2", "s3", "s4"]
    assert sizes("ccp") == {}
    assert "| size" not in card("ccp", ["ccp"], [], {})


def test_numbers_come_from_the_index() -> None:
    text = card("glu", ["glu"], [entry("glu", "accuracy", 0.75), entry("mlp", "accuracy", 0.25)], {})
    assert 'load_pretrained("glu-digits")' in text
    assert "| `glu-digits` | 0.75 +- 0.01 |" in text
    assert "mlp" not in text
    assert ".svg" not in text


def test_docstrings_keep_formulas_and_escape_the_rest() -> None:
    assert markdown("y * x < 1\n\n    y = a * b\n\n`a * b` * c") == "y \\* x \\< 1\n\n    y = a * b\n\n`a * b` \\* c"
    assert escaped("input_shape") == "input_shape"

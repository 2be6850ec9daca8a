"""The atlas: its page is of the stored results, its numbers are those of a direct computation, nothing is guessed."""

import json
import shutil
import statistics
from pathlib import Path

import pytest

from hpnets.commands.atlas import read_atlas, studies_of_checkout
from hpnets.papers.atlas import Effect, OfStudy, atlas_rows, effect, families
from hpnets.papers.effects import range_of_rates, robust_at_equal_accuracy
from hpnets.study import Result, Results
from hpnets.zoo.index import INDEX, checkpoints_folder
from recipes.docs.atlas import render
from tests.in_process import ROOT, run_module

PAPERS, ROBUST = ROOT / "docs" / "results" / "papers", ROOT / "docs" / "results" / "zoo" / "robust.json"
ENTRIES = checkpoints_folder() / INDEX
T_OF_4, T_OF_2 = 2.7764451, 4.3026527  # Student's 0.975 quantile


def cells(*studies: str) -> dict[tuple[str, str], Effect]:
    """The effects of these studies and of the zoo, by the row's unit and the family."""
    rows = atlas_rows([PAPERS / name for name in studies], ENTRIES, ROBUST)
    return {(row.of.unit, family): each for row in rows for family, each in row.effects.items()}


def test_the_page_is_up_to_date() -> None:
    rows = atlas_rows(studies_of_checkout(), ENTRIES, ROBUST)
    assert (ROOT / "docs" / "results" / "atlas.md").read_text() == render(rows), "run: python -m recipes.docs.atlas"


def test_a_cell_is_what_a_direct_computation_gives() -> None:
    page = json.loads((PAPERS / "curves" / "results.json").read_text())
    runs = [c for c in page["cells"] if c["function"] == "trained" and c["options"]["network"].startswith("pnn")]
    losses: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        losses.setdefault((run["options"]["network"], run["options"]["lr"]), []).append(run["result"]["validation"])
    best = {net: min((sum(v), lr) for (name, lr), v in losses.items() if name == net)[1] for net in ("pnn", "pnn-sum")}
    errors = {
        net: {r["options"]["seed"]: r["result"]["error"] for r in runs if _is(r, net, lr)} for net, lr in best.items()
    }
    differences = [errors["pnn"][seed] - errors["pnn-sum"][seed] for seed in range(5)]
    each = cells("curves")["held-out error on two curves, %", "pnn"]
    assert each.mean == pytest.approx(statistics.mean(differences))
    assert each.half == pytest.approx(T_OF_4 * statistics.stdev(differences) / 5**0.5)
    assert page["claims"][each.claim - 1]["measured"].startswith(f"pnn less its twin: {each.mean:.1f}")


def _is(run: dict[str, dict[str, object]], network: str, lr: float) -> bool:
    return (run["options"]["network"], run["options"]["lr"]) == (network, lr)


def test_a_cell_of_the_zoo_is_that_of_its_index() -> None:
    entry = next(e for e in json.loads(ENTRIES.read_text()) if e["name"] == "ccp-digits")
    each = cells()["accuracy (digits)", "ccp"]
    difference = entry["twin"]["difference"]["test/accuracy"]
    assert each.mean == difference["mean"]
    assert each.half == pytest.approx(T_OF_2 * difference["std"] / 3**0.5)
    assert each.tuned == bool(entry["twin"].get("tuning"))


def test_what_was_not_measured_is_empty(tmp_path: Path) -> None:
    alone = cells()
    assert alone
    assert {each.source for each in alone.values()} == {"zoo"}
    page = json.loads((PAPERS / "curves" / "results.json").read_text())
    for name, changed in {
        "of another version": {**page, "claims": []},
        "without cells": {**page, "cells": []},
        "of other sizes": {**page, "cells": [c for c in page["cells"] if c["options"].get("network") != "pnn-sum"]},
        "of small sizes": {**page, "command": f"{page['command']} --quick"},
        "no study": {"name": "curves"},
    }.items():
        (tmp_path / "results.json").write_text(json.dumps(changed))
        rows = atlas_rows([tmp_path], ENTRIES)
        assert not [row for row in rows if families([row], studied=True)], name
    (tmp_path / "results.json").write_text("{")
    assert not families(atlas_rows([tmp_path], ENTRIES), studied=True)
    assert effect([1.0], "curves", 1) is None
    assert effect([1.0, float("inf")], "curves", 1) is None


def test_every_stored_study_has_an_effect_in_each_of_its_rows() -> None:
    folders = studies_of_checkout()
    stored = {folder.name for folder in folders if "--quick" not in (folder / "results.json").read_text()}
    assert {"extrapolation", "complex_nets", "curves", "memorisation", "thompson_sampling"} <= stored
    empty = [row.of for row in atlas_rows(folders, ENTRIES) if not row.effects]
    assert not [of.unit for of in empty if isinstance(of, OfStudy) and of.study in stored]


def test_measures_that_no_stored_study_needs_yet() -> None:
    """Best rates over widths, by seed; robust accuracy at the first epoch with the lower of the best accuracies."""
    made = []
    for network, moves in (("skip-4", (0, 1)), ("skip-4-sum", (2, 2))):
        for width, shift in ((32, 0), (64, 1)):
            losses = [[abs(power - shift * move) for move in moves] for power in range(3)]
            options = {"network": network, "kind": "mup", "optimizer": "sgd", "size": width}
            made.append(Result("best_rate", options, {"powers": [0, 1, 2], "loss": losses}))
    assert range_of_rates(Results(tuple(made)), "skip-4") == [-2, -1]
    made = []
    for network, accuracies, robust in (("pinet", [0.5, 0.9], [0.1, 0.7]), ("pinet-sum", [0.4, 0.8], [0.2, 0.3])):
        value = {"validation": [1.0, 0.5], "validation accuracy": accuracies, "clean": accuracies, "robust": robust}
        options = {"network": network, "lr": 0.1, "seed": 0}
        made += [Result("trained", {**options, "data": data}, value) for data in ("digits 3-8", "digits 4-9")]
    assert robust_at_equal_accuracy(Results(tuple(made)), "pinet") == pytest.approx([0.4])


def test_signs_and_texts() -> None:
    assert [Effect(mean, 0.021, 3, "zoo").sign for mean in (0.02, 0.022, -0.022)] == [0, 1, -1]
    assert str(Effect(-10.91, 3.06, 5, "zoo")) == "-10.9 ± 3.1"
    assert str(Effect(250.0, 41.0, 5, "zoo")) == "+250 ± 41"


def test_links_of_a_report_lead_to_claims_on_its_page(tmp_path: Path) -> None:
    for name in ("curves", "complex_nets"):
        shutil.copytree(PAPERS / name, tmp_path / name)
    out = tmp_path / "atlas.html"
    words = (str(tmp_path / "curves"), str(tmp_path / "complex_nets"))
    assert run_module("hpnets", "report", *words, "--atlas", "--out", str(out)) == 0
    page = out.read_text()
    for anchor in ("curves-14", "complex_nets-6", "complex_nets-7"):
        assert f'href="#{anchor}"' in page
        assert f'<tr id="{anchor}">' in page
    assert page.count('href="#extrapolation') == 0
    assert "see Im &lt;z, z&#39;&gt;" in page


def test_an_installation_without_studies_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"atlas is given without studies; allowed: folders of `hpnets study`"):
        studies_of_checkout(tmp_path)
    assert read_atlas([], ENTRIES, tmp_path)["families"] == []

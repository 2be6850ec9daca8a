"""Every shipped config of recipes/configs parses, names what its path says, and builds its model and task."""

from pathlib import Path

import pytest
import torch
import yaml

from hpnets import list_models
from hpnets.training.build import build
from recipes.zoo.cells import CONFIGS, Cell, find_cells
from tests.in_process import run_script
from tests.published import bundled_first
from tests.training.runs import ROOT

CELLS = find_cells("*", ROOT / CONFIGS)
TASKS = {"digits", "image_fit", "line", "sphere", "table", "fashion_mnist"}


def test_every_model_has_a_config() -> None:
    assert {cell.model for cell in CELLS} == set(list_models())
    assert {cell.config.parent.name for cell in CELLS} <= TASKS


@pytest.mark.parametrize("cell", bundled_first(CELLS))
def test_a_config_builds_what_its_path_says(cell: Cell) -> None:
    options = cell.options(seed=1)
    assert (options.model["name"], options.task["name"]) == (cell.model, cell.config.parent.name)
    assert (options.seed, options.wandb.mode, options.ntk.every == "off") == (1, "off", False)
    net, task = build(options)
    x, _, _ = task.probe(options.ntk.probe)
    assert net.eval()(x[:2]).shape == (2, task.output_dim)
    assert 4 * sum(p.numel() for p in net.parameters()) < 2e6


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_command_line_reads_the_same_options(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("train", "--config", str(cell.config), "--seed", "2", "--wandb", "off", "--print_config") == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    wanted = yaml.safe_load(yaml.safe_dump(cell.options(seed=2).to_dict()))
    assert {key: printed[key] for key in wanted} == {**wanted, "imports": None}  # the command line knows none yet


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_twin_differs_in_the_product_alone(cell: Cell) -> None:
    if not cell.has_twin():
        assert cell.options(seed=0).model.get("product", "sum") == "sum"
        return
    ours, twin = cell.options(seed=0).to_dict(), cell.options(seed=0, twin=True).to_dict()
    assert ours["model"].pop("product") == "hadamard"
    assert twin["model"].pop("product") == "sum"
    assert ours == twin


def test_a_pattern_without_a_cell_is_answered_with_the_nearest() -> None:
    assert [cell.name for cell in find_cells("ccp-digits, gl*-digits", ROOT / CONFIGS)] == ["ccp-digits", "glu-digits"]
    with pytest.raises(ValueError, match=r"cells has 'cpp-digits', which matches none; did you mean .*ccp-digits"):
        find_cells("glu-digits,cpp-digits", ROOT / CONFIGS)


def test_a_folder_without_configs_and_a_broken_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"configs is .*, which holds no <task>/<model>\.yaml"):
        find_cells("*", tmp_path)
    (tmp_path / "digits").mkdir()
    for text in ("model: {name: ccp}\nmodle: {}\n", "model: [", "optim: {lr: fast}\n"):
        (tmp_path / "digits" / "ccp.yaml").write_text(text)
        with pytest.raises(ValueError, match=r"ccp\.yaml cannot be read"):
            find_cells("*", tmp_path)[0].options(seed=0)


def test_random_state_is_left_to_the_seed() -> None:
    cell = CELLS[0]
    torch.manual_seed(0)
    first, _ = build(cell.options(seed=0))
    torch.manual_seed(0)
    again, _ = build(cell.options(seed=0))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)

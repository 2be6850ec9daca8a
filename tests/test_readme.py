"""README tells the truth about what there is; its code is executed by tests/test_docs.py."""

from pathlib import Path

from hpnets import list_models, list_tasks
from hpnets.report import best_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_model_and_task_is_named() -> None:
    assert not [name for name in (*list_models(), *list_tasks()) if f"`{name}`" not in README]


def test_the_table_of_checkpoints_is_made_from_the_index() -> None:
    table = README.split("<!-- pretrained -->\n")[1].split("\n<!-- end pretrained -->")[0]
    assert table == best_table(ROOT / "checkpoints" / "index.json")


def test_the_two_commands_are_on_the_first_screen() -> None:
    first = "\n".join(README.splitlines()[:24])
    assert "pip install -e . && python recipes/train.py --model ccp" in first
    assert "pip install -e '.[test]' && pytest" in first

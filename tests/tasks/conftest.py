"""Any task by name, with small generated files where it reads some."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpnets.tasks import create_task
from hpnets.tasks.base import SupervisedTask
from tests.tasks.formats import CLASSES, write_files
from tests.tasks.picture_files import write_pictures

MakeTask = Callable[..., SupervisedTask]


@pytest.fixture(autouse=True)
def without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of Debian's dataset-fashion-mnist, whether this machine has it or not."""
    monkeypatch.setattr("hpnets.tasks.vision.DEBIAN", tmp_path / "no package")


@pytest.fixture
def make_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTask:
    """create_task(name, **options) after setup, those of pictures on files under tmp_path."""
    written: set[str] = set()

    def make(name: str, **options: Any) -> SupervisedTask:
        if name in CLASSES:
            options["root"] = str(tmp_path)
            if name not in written:
                write_files(name, tmp_path, monkeypatch)
                written.add(name)
        if name == "image_folder":
            options |= {"root": str(tmp_path / "pictures"), "size": 12}
            if name not in written:
                write_pictures(tmp_path / "pictures", classes=3, each=30)
                written.add(name)
        task = create_task(name, **options)
        task.prepare_data()
        task.setup("fit")
        return task

    return make

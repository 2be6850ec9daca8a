"""The documentation site: one command builds it without a warning, and each public name has its place there."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

from recipes.docs.site import PACKAGE, public_modules

ROOT = Path(__file__).parents[2]


def test_the_site_builds_strictly_and_has_every_public_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert not re.findall("WARNING|ERROR", built.stderr), built.stderr
    for module, names in public_modules(PACKAGE):
        page = (tmp_path / "reference" / "api" / f"{module}.html").read_text()
        for name in names:
            assert f'id="{module}.{name}"' in page, f"{module}.{name}"


def test_the_site_lists_what_the_subpackages_export() -> None:
    for module, names in public_modules(PACKAGE):
        assert names == importlib.import_module(module).__all__

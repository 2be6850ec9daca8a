"""The checkpoints travel in the wheel and load from it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOAD = """
import json, hpnets
names = hpnets.list_pretrained()
parameters = {name: sum(p.numel() for p in hpnets.load_pretrained(name)[0].parameters()) for name in names}
print(json.dumps({"file": hpnets.__file__, "parameters": parameters}))
"""


@pytest.mark.slow
def test_checkpoints_load_from_an_unpacked_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(pip, check=True, timeout=300)
    (wheel,) = tmp_path.glob("hpnets-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {"hpnets/zoo/checkpoints/index.json", "hpnets/py.typed"} <= set(names)
    assert not [name for name in names if not name.startswith("hpnets")]

    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    text = subprocess.check_output([sys.executable, "-c", LOAD], cwd=elsewhere, env=environment, text=True, timeout=300)
    record = json.loads(text)
    shipped = [entry["name"] for entry in json.loads((ROOT / "checkpoints" / "index.json").read_text())]
    assert record["file"].startswith(str(tmp_path / "site"))
    assert sorted(record["parameters"]) == sorted(shipped)
    assert all(record["parameters"].values())

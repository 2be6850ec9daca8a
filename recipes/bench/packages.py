"""The peers: the place of each one's Python, and how to make it."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Peer:
    """A peer library; `recipes.bench.<module>` runs in `python`, which the command `make` makes."""

    name: str
    python: Path
    make: str = ""

    @property
    def module(self) -> str:
        return f"peers.{self.name.replace('-', '_')}"


# numpy is named because torch does not install it.
PACKAGES = {
    "torch-func-jacobian": "",
    "torchjd": "torchjd==0.18.0 numpy",
    "nngeometry": "nngeometry==0.4 numpy",
    "neural-tangents": "neural-tangents==0.6.5 jax==0.4.23 jaxlib==0.4.23 'numpy<2' 'scipy<1.13'",
    "backpack": "backpack-for-pytorch==1.7.1 numpy",
    "curvlinops": "curvlinops-for-pytorch==3.0.1 numpy",
    "torch-func-ntkvp": "",
}


def make_peers(names: list[str], venvs: Path) -> list[Peer]:
    """The peers of these names; those of torch itself run in this Python."""
    peers = []
    for name in names:
        if not PACKAGES[name]:
            peers.append(Peer(name, Path(sys.executable)))
            continue
        folder = venvs / name
        make = f"python -m venv {folder} && {folder}/bin/pip install {PACKAGES[name]}"
        peers.append(Peer(name, (folder / "bin" / "python").absolute(), make))
    return peers

"""Folders of random pictures for `image_folder`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 12


def write_pictures(root: Path, classes: int, each: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Write root/class0/00.png, ...: random colour pictures; returns their pixels (12, 12, 3) by path, in order."""
    rng = np.random.default_rng(seed)
    written = {}
    for label in range(classes):
        (root / f"class{label}").mkdir(parents=True)
        for i in range(each):
            name = f"class{label}/{i:02d}.png"
            written[name] = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(written[name]).save(root / name)
    return written

"""Whether a data set's files are the published ones, and whether others are safe to read."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# torchvision knows the checksums of the .gz files alone, and compares them when it fetches; these are of the content.
UNPACKED = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


def differing(root: Path, checksums: Mapping[str, str]) -> list[str]:
    """The paths below `root`, among the keys, of files whose content has another MD5; missing files are left out."""
    return [path for path, md5 in checksums.items() if (root / path).is_file() and _md5(root / path) != md5]


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def check_plain_pickle(path: Path) -> None:
    """Raise UnpicklingError if a pickle holds anything but plain types and numpy arrays, with nothing executed."""
    with path.open("rb") as file:
        _PlainUnpickler(file, encoding="latin1").load()


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        array = module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype", "_frombuffer")
        if array or (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it is a pickle of {module}.{name}, which is never executed")

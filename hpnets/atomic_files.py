"""Files written whole (temporary name, then rename) and read only after a check."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from hpnets.validate import shown

PARTIAL = ".partial"
# Of a name, and of a path with room for what is written below it; file systems allow 255 and 4096 bytes.
NAME_BYTES, PATH_BYTES = 255, 4000


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    os.close(handle)
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_writable(name: str, folder: Path) -> None:
    """ValueError by the option's `name` for a folder that cannot be made: of too long a name, or in no folder."""
    whole = folder.absolute()
    if "\0" in str(folder) or len(os.fsencode(whole)) > PATH_BYTES or max(map(_bytes, whole.parts)) > NAME_BYTES:
        raise ValueError(
            f"{name} is {shown(str(folder))}, of {len(str(folder))} characters; allowed: names of at most {NAME_BYTES} "
            f"bytes, {PATH_BYTES} in all"
        )
    above = next(parent for parent in whole.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise ValueError(
            f"{name} is {shown(str(folder))}; allowed: a folder in one that can be written to, not {above}"
        )


def _bytes(name: str) -> int:
    return len(os.fsencode(name))


def remove_partial(folder: Path) -> None:
    """Remove the temporary files that a killed process left below `folder`."""
    for path in folder.rglob(f".*{PARTIAL}"):
        path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_whole(path, lambda temporary: temporary.write_text(text))


def write_json(path: Path, value: Any) -> None:
    """Write json whole, indented, with a final newline."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """What a json file holds; ValueError that names the file for one that cannot be read."""
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path} is not readable: {error}") from None


def read_yaml(path: Path) -> Any:
    """What a yaml file holds; ValueError that names the file for one that cannot be read, or that holds itself."""
    try:
        content = yaml.safe_load(path.read_text())
        json.dumps(content, default=str, skipkeys=True)  # an anchor inside itself is a circle, which this sees
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path} is not readable: {error}") from None
    return content


def write_tensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file whole."""
    from safetensors.torch import save_file

    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_whole(path, lambda temporary: save_file(contiguous, temporary, metadata))


def write_png(path: Path, image: Any) -> None:
    """Write an image tensor (1 or 3, height, width) in [0, 1] as png, whole."""
    from torchvision.transforms.v2.functional import to_pil_image

    picture = to_pil_image((image.float().cpu() * 255).round().byte())
    write_whole(path, lambda temporary: picture.save(temporary, format="png"))


def read_tensors(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """Tensors of a safetensors file; ValueError if it is missing, damaged, or its hash is not the recorded one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"no such file: {path.absolute()}")
    if sha256 is not None and sha256_of(path) != sha256:
        raise ValueError(f"{path} was changed: its sha256 is {sha256_of(path)}, recorded is {sha256}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The columns of a table, from a csv or npz file, as numbers or text; what is wrong is named by column and row."""

import csv
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpnets.validate import require

Cells = Sequence[Any]  # float or str, one a row
DELIMITERS = ",;\t"
MISSING = ("", "?", "na", "n/a", "#n/a", "nan", "null", "none")
MOST_CATEGORIES = 32


def read_columns(file: str) -> dict[str, Cells]:
    """The cells of each column of a file by its name; raises ValueError for a file that holds no table.

    csv: the first line holds the names; cells are parted by commas, semicolons or tabs, whichever it has most of.
    npz: an array (N,) is the column of its name, an array (N, D) the columns name[0], name[1], ...
    """
    path = Path(file).expanduser()
    readers = {".csv": _read_csv, ".npz": _read_npz}
    require(path.suffix in readers, "file", file, "a name that ends in .csv or .npz")
    require(path.is_file(), "file", file, f"a file, there is none at {path.absolute()}")
    try:
        return readers[path.suffix](path)
    except (OSError, EOFError, ValueError, csv.Error, zipfile.BadZipFile) as error:
        raise ValueError(f"file is {file!r}, which cannot be read as a table: {error}") from None


def _read_csv(path: Path) -> dict[str, Cells]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        delimiter = max(DELIMITERS, key=file.readline().count)
        file.seek(0)
        rows = [[cell.strip() for cell in row] for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
    if not rows:
        raise ValueError("it is empty; allowed: a line with the names of the columns, then the rows")
    names, cells = rows[0], rows[1:]
    if "" in names or len(set(names)) < len(names) or all(_number(name) is not None for name in names):
        raise ValueError(f"its first line is {delimiter.join(names)[:60]!r}; allowed: different names of the columns")
    for number, row in enumerate(cells, 1):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} cells; allowed: {len(names)}, as many as columns")
    return {name: [row[i] for row in cells] for i, name in enumerate(names)}


def _read_npz(path: Path) -> dict[str, Cells]:
    arrays = np.load(path, allow_pickle=False)
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise ValueError("it holds a single array; allowed: arrays by name, as np.savez writes them")
    columns: dict[str, NDArray[Any]] = {}
    with arrays:
        for name in arrays.files:
            array = arrays[name]
            if array.ndim not in (1, 2) or array.dtype.kind not in "biufU":
                shape = f"{array.dtype} of shape {array.shape}"
                raise ValueError(f"array {name!r} is {shape}; allowed: numbers or text, (rows,) or (rows, columns)")
            whole = array.ndim == 1 or array.shape[1] == 1
            columns |= {name: array.ravel()} if whole else {f"{name}[{i}]": column for i, column in enumerate(array.T)}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its columns have different lengths, {lengths}; allowed: one length")
    return {name: column.tolist() for name, column in columns.items()}


def _number(cell: float | str) -> float | None:
    """A cell as a number (inf and nan are some), or None for text."""
    if isinstance(cell, str) and "_" in cell:  # which Python allows in numbers
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def check_complete(name: str, cells: Cells) -> None:
    """Raise ValueError for the first cell of a column that is empty or not finite."""
    for row, cell in enumerate(cells, 1):
        number = _number(cell)
        if str(cell).strip().lower() in MISSING or (number is not None and not math.isfinite(number)):
            raise ValueError(
                f"column {name!r} has no value in row {row} ({cell!r}); allowed: a value in each row, "
                f"--task.drop [{name}] leaves the column out"
            )


def numbers(cells: Cells) -> NDArray[np.float64] | None:
    """A column as float64 (N,), or None if some cell is text."""
    values = [_number(cell) for cell in cells]
    return None if None in values else np.array(values, dtype=np.float64)


def features(name: str, cells: Cells) -> tuple[list[str], NDArray[np.float64], bool]:
    """The names and values (N, D) of a column's features, and whether they are numbers: one, or one-hot categories.

    Raises ValueError for a column with missing cells, or with text of too many different values for categories.
    """
    check_complete(name, cells)
    column = numbers(cells)
    if column is not None:
        return [name], column[:, None], True
    text = [str(cell) for cell in cells]
    categories = sorted(set(text))
    most = min(MOST_CATEGORIES, len(text) // 2)
    if len(categories) > most:
        row = next(i for i, cell in enumerate(cells) if _number(cell) is None)
        raise ValueError(
            f"column {name!r} holds text in row {row + 1} ({text[row][:40]!r}) and {len(categories)} different values; "
            f"allowed: numbers, or text of at most {most} values, --task.drop [{name}] leaves the column out"
        )
    one_hot = np.array(text)[:, None] == np.array(categories)
    return [f"{name}={category}" for category in categories], one_hot.astype(np.float64), False

"""Tables: classification or regression of one column from the others."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from torch import Tensor

from hpnets.option_sets import Option
from hpnets.registry import nearest
from hpnets.tasks.base import TASKS
from hpnets.tasks.columns import Cells, check_complete, features, numbers, read_columns
from hpnets.tasks.kinds import ClassificationTask, RegressionTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.own_data import OwnData
from hpnets.tasks.samples import Samples, Splits, stratified_split
from hpnets.validate import one_of

BUNDLED: dict[str, Callable[[], Any]] = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
PERCENT = 15  # of the rows are for validation, and as many for the test
MOST_CLASSES = 20  # that different integers are taken for, unless `kind` says what they are
FEWEST_ROWS, FEWEST_OF_CLASS = 10, 3  # a share of the rows is not 0, and leaves some of each class


class Table(NamedTuple):
    """The features of a table, one-hot where they are categories, and its target."""

    columns: list[str]  # the D names of the features
    x: NDArray[np.float64]  # (N, D), raw
    is_number: NDArray[np.bool_]  # (D,): such features are standardised
    classes: list[str]  # in the order of the labels; [] for regression
    y: NDArray[np.float64]  # (N,): labels, or the target itself


class TableTask(OwnData):
    """What the tasks of both kinds share: each feature that is a number is standardised on the training rows.

    columns: the names of the features; mean, std (D,) float64: what they were standardised by (0 and 1 for categories).
    """

    name = "table"

    def __init__(self, table: Table, batch_size: int, seed: int, num_workers: int) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.table, self.columns = table, table.columns
        self.input_shape, self.output_dim = (len(table.columns),), len(table.classes) or 1
        self.digest = hashlib.sha256(np.column_stack([table.x, table.y]).tobytes()).hexdigest()

    def splits(self) -> Splits:
        """Seeded 70, 15 and 15% of the rows, of each class as many."""
        x, labels = torch.from_numpy(self.table.x), torch.from_numpy(self.table.y)
        size, generator = len(x) * PERCENT // 100, torch.Generator().manual_seed(self.seed)
        classes = labels if self.table.classes else torch.zeros(len(x))
        rest, test = stratified_split(classes, size, generator)
        train, val = stratified_split(classes[rest], size, generator)
        is_number = torch.from_numpy(self.table.is_number)
        mean, std = _constants(x[rest[train]])
        self.mean, self.std = mean.where(is_number, 0.0), std.where(is_number, 1.0)
        z, y = ((x - self.mean) / self.std).float(), self.y_of(labels, rest[train])
        return Splits(*(Samples(z, y, rows, {}) for rows in (rest[train], rest[val], test)))

    @abstractmethod
    def y_of(self, target: Tensor, train: Tensor) -> Tensor:
        """The y of samples from the table's target (N,) float64, with the training rows at hand."""


class ClassificationTable(TableTask, ClassificationTask):
    """A table whose target are classes, named by `classes` in the order of the logits."""

    @property
    def classes(self) -> list[str]:
        """The C names of the classes."""
        return self.table.classes

    def y_of(self, target: Tensor, train: Tensor) -> Tensor:
        return target.long()


class RegressionTable(TableTask, RegressionTask):
    """A table whose target is a number, standardised on the training rows by y_mean and y_std.

    An mse of 1, then, is that of the training rows' mean.
    """

    def y_of(self, target: Tensor, train: Tensor) -> Tensor:
        self.y_mean, self.y_std = (float(c) for c in _constants(target[train]))
        return ((target - self.y_mean) / self.y_std).float().unsqueeze(1)


def table(
    data: Annotated[str, Option("a table of scikit-learn's, unless a file is given")] = "breast_cancer",
    file: Annotated[str | None, Option("a table of your own instead, .csv or .npz")] = None,
    target: Annotated[str | None, Option("the column of the file that is to be predicted")] = None,
    kind: Annotated[str, Option("classification, regression, or auto: as the target looks")] = "auto",
    drop: Annotated[list[str] | None, Option("columns that are left out")] = None,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    num_workers: NumWorkers = 0,
) -> TableTask:
    """A table: one column from the others, of scikit-learn's data or a csv or npz file of your own.

    Columns of numbers are standardised, columns of text become one-hot categories. kind "auto" takes text, and at most
    20 different integers, for classes, and other numbers for a regression. `read_columns` says what a file looks like.

    data: breast_cancer, iris or wine (classes), or diabetes (a regression).

    Raises ValueError for cells without a value, text of many different values, one class, and columns that are not
    there.
    """
    one_of("kind", kind, ("auto", "classification", "regression"))
    one_of("data", data, BUNDLED)
    if file is None and target is not None:
        raise ValueError(f"target is {target!r}; allowed without a file: null, as {data} has its own")
    columns = _bundled(data) if file is None else read_columns(file)
    content = _assemble(columns, "target" if file is None else target, kind, drop or [])
    make = ClassificationTable if content.classes else RegressionTable
    return make(content, batch_size, seed, num_workers)


TASKS.register("table")(table)


def _bundled(data: str) -> dict[str, Cells]:
    source = BUNDLED[data]()
    columns = dict(zip(map(str, source.feature_names), source.data.T.tolist(), strict=True))
    return {**columns, "target": source.target.tolist()}


def _assemble(columns: dict[str, Cells], target: str | None, kind: str, drop: list[str]) -> Table:
    """The columns as features and target; raises ValueError for those that cannot be."""
    _check_column("target", target, columns)
    for name in drop:
        _check_column("drop", name, [name for name in columns if name != target])
    rows = len(columns[str(target)])
    if rows < FEWEST_ROWS:
        raise ValueError(f"the table has {rows} rows; allowed: at least {FEWEST_ROWS}")
    y, classes = _target(str(target), columns[str(target)], kind)
    parts = [features(name, cells) for name, cells in columns.items() if name != target and name not in drop]
    if not parts:
        raise ValueError(f"the table has no column but its target, {target!r}; allowed: at least one")
    names, values, is_number = zip(*parts, strict=True)
    widths = [len(group) for group in names]
    return Table([n for group in names for n in group], np.hstack(values), np.repeat(is_number, widths), classes, y)


def _check_column(option: str, name: str | None, columns: Any) -> None:
    """Raise ValueError with the nearest columns for a name that is none of them."""
    if name not in columns:
        raise ValueError(f"{option} is {name!r}, which is no column of the table; {nearest(str(name), columns)}")


def _target(name: str, cells: Cells, kind: str) -> tuple[NDArray[np.float64], list[str]]:
    """Labels (N,) with the names of their classes, or the target (N,) of a regression with none."""
    check_complete(name, cells)
    y = numbers(cells)
    values = sorted({str(cell) for cell in cells} if y is None else set(y.tolist()))
    if len(values) < 2:
        raise ValueError(f"column {name!r} is {values[0]!r} in every row; allowed as target: at least 2 values")
    if kind == "regression" and y is None:
        raise ValueError(f"kind is 'regression', and column {name!r} holds text; allowed: auto, classification")
    few = y is not None and len(values) <= MOST_CLASSES and bool((y == y.round()).all())
    if y is not None and (kind == "regression" or (kind == "auto" and not few)):
        return y, []
    label = {value: i for i, value in enumerate(values)}
    labels = np.array([label[str(cell) if y is None else float(cell)] for cell in cells], dtype=np.float64)
    counts = np.bincount(labels.astype(np.int64))
    if counts.min() < FEWEST_OF_CLASS:
        rare = values[int(counts.argmin())]
        number = "" if y is None else ", or --task.kind regression"
        raise ValueError(
            f"class {rare!r} of column {name!r} has {counts.min()} rows; allowed: at least {FEWEST_OF_CLASS}{number}"
        )
    return labels, [value if isinstance(value, str) else f"{value:g}" for value in values]


def _constants(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over the first axis, 1 for what does not vary."""
    # numpy's sums do not depend on the number of threads.
    mean, std = (torch.from_numpy(np.asarray(of(x.numpy(), axis=0))) for of in (np.mean, np.std))
    return mean, std.where(std > 0, 1.0)

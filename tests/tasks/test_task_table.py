"""Tables: which columns become which features, what is predicted, and what is refused by column and row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets

from hpnets.tasks import create_task
from hpnets.tasks.kinds import ClassificationTask, RegressionTask

ROWS = 40


def columns() -> dict[str, list[Any]]:
    """Numbers, a constant, categories, and two targets."""
    rng = np.random.default_rng(0)
    return {
        "year": (1.7e9 + rng.normal(size=ROWS)).tolist(),
        "same": [3.5] * ROWS,
        "colour": [("red", "green", "dark blue")[i % 3] for i in range(ROWS)],
        "kind": [("b", "a")[i % 2] for i in range(ROWS)],
        "price": rng.normal(5, 2, ROWS).tolist(),
    }


def write_csv(path: Path, content: dict[str, list[Any]], delimiter: str = ",") -> str:
    lines = [list(content), *zip(*content.values(), strict=True)]
    path.write_text("".join(delimiter.join(map(str, line)) + "\n" for line in lines))
    return str(path)


def task_on(**options: Any) -> Any:
    task = create_task("table", batch_size=4, **options)
    task.setup()
    return task


def whole(task: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """x and y of all rows, in the order of the table."""
    sets = (task.train_set, task.val_set, task.test_set)
    order = torch.cat([s.indices for s in sets]).argsort()
    x, y = (torch.cat(part)[order] for part in zip(*(s.batch(range(len(s))) for s in sets), strict=True))
    return x, y


@pytest.mark.parametrize(
    ("data", "features", "classes"), [("breast_cancer", 30, 2), ("iris", 4, 3), ("wine", 13, 3), ("diabetes", 10, 0)]
)
def test_bundled_tables(data: str, features: int, classes: int) -> None:
    task = task_on(data=data)
    assert isinstance(task, ClassificationTask if classes else RegressionTask)
    assert (task.input_shape, task.output_dim) == ((features,), classes or 1)
    loader = {"diabetes": lambda: datasets.load_diabetes(scaled=False)}.get(data, getattr(datasets, f"load_{data}"))
    source, (x, y) = loader(), whole(task)
    torch.testing.assert_close(x.double() * task.std + task.mean, torch.from_numpy(source.data), atol=1e-3, rtol=1e-5)
    if classes:
        assert y.tolist() == source.target.tolist()
        assert task.train_set.labels.bincount().min() > 0.65 * np.bincount(source.target).min()
    else:
        np.testing.assert_allclose(y[:, 0] * task.y_std + task.y_mean, source.target, rtol=1e-5)
        assert abs(task.train_set.labels.mean()) < 1e-6
        assert abs(task.train_set.labels.std(correction=0) - 1) < 1e-6
    held = len(x) * 15 // 100
    assert (len(task.val_set), len(task.test_set)) == (held, held)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_of_a_csv_become_features(tmp_path: Path, delimiter: str) -> None:
    content = columns()
    task = task_on(file=write_csv(tmp_path / "x.csv", content, delimiter), target="kind", drop=["price"])
    assert task.columns == ["year", "same", "colour=dark blue", "colour=green", "colour=red"]
    x, y = whole(task)
    train = x[task.train_indices]
    assert train[:, 0].mean().abs() < 1e-6
    assert (train[:, 0].std(correction=0) - 1).abs() < 1e-6  # of 1.7e9 + noise, which float32 would lose
    assert not x[:, 1].any()
    assert x[:, 2:].tolist() == [
        [float(c == name) for name in ("dark blue", "green", "red")] for c in content["colour"]
    ]
    assert (task.classes, y.tolist()) == (["a", "b"], [int(k == "b") for k in content["kind"]])


def test_an_npz_is_the_same_table(tmp_path: Path) -> None:
    content = columns()
    np.savez(tmp_path / "x.npz", **{name: np.array(cells) for name, cells in content.items()})
    from_csv = task_on(file=write_csv(tmp_path / "x.csv", content), target="price")
    from_npz = task_on(file=str(tmp_path / "x.npz"), target="price")
    assert from_npz.columns == from_csv.columns
    assert from_npz.digest == from_csv.digest
    assert isinstance(from_npz, RegressionTask)
    block = {"x": np.array([content["year"], content["price"]]).T, "y": np.array(content["kind"])[:, None]}
    np.savez(tmp_path / "block.npz", **block)
    task = task_on(file=str(tmp_path / "block.npz"), target="y")
    assert (task.columns, task.classes) == (["x[0]", "x[1]"], ["a", "b"])


def test_the_kind_is_that_of_the_target_unless_it_is_given(tmp_path: Path) -> None:
    grades = [i % 5 for i in range(ROWS)]
    file = write_csv(tmp_path / "x.csv", {**columns(), "grade": grades, "size": list(range(ROWS))})
    for target, kind, expected in (
        *(("kind", "auto", 2), ("grade", "auto", 5), ("grade", "regression", 0), ("price", "auto", 0)),
        *(("size", "auto", 0), ("colour", "classification", 3)),
    ):
        task = task_on(file=file, target=target, kind=kind)
        assert isinstance(task, ClassificationTask) == bool(expected)
        assert task.output_dim == max(expected, 1)
    assert task_on(file=file, target="grade").classes == ["0", "1", "2", "3", "4"]


def changed(**cells: Any) -> dict[str, list[Any]]:
    """`columns` with some cells changed: column={row from 1: cell}."""
    content = columns()
    for name, of in cells.items():
        for row, cell in of.items():
            content[name][row - 1] = cell
    return content


TEXT = {"note": [f"customer {i}" for i in range(ROWS)]}
REFUSED = [
    (changed(year={7: ""}), "price", r"column 'year' has no value in row 7 \(''\); .*--task.drop \[year\]"),
    (changed(year={9: "NaN"}), "price", r"column 'year' has no value in row 9 \('NaN'\)"),
    (changed(price={2: "inf"}), "kind", r"column 'price' has no value in row 2 \('inf'\)"),
    (changed(colour={40: "?"}), "kind", r"column 'colour' has no value in row 40 \('\?'\)"),
    (changed(kind={5: ""}), "kind", r"column 'kind' has no value in row 5"),
    (
        changed(year={3: "12a"}),
        "kind",
        r"column 'year' holds text in row 3 \('12a'\) and 40 different values; allowed: ",
    ),
    ({**columns(), **TEXT}, "kind", r"column 'note' holds text in row 1 \('customer 0'\) and 40 .* at most 20 values"),
    (columns(), "kin", "target is 'kin', which is no column of the table; did you mean kind"),
    (columns(), None, "target is None, which is no column of the table; allowed: colour, kind, price, same, year"),
    (columns(), "same", "column 'same' is 3.5 in every row; allowed as target: at least 2 values"),
    ({**columns(), **TEXT}, "note", "class 'customer 0' of column 'note' has 1 rows; allowed: at least 3"),
    ({"y": [0] * 38 + [1, 1], "x": range(40)}, "y", "class 1.0 of column 'y' has 2 rows; .*, or --task.kind regress"),
    ({"y": list(range(40))}, "y", "the table has no column but its target, 'y'"),
    ({name: cells[:9] for name, cells in columns().items()}, "price", "the table has 9 rows; allowed: at least 10"),
]


@pytest.mark.parametrize(("content", "target", "message"), REFUSED)
def test_tables_that_cannot_be_learnt_are_refused(
    tmp_path: Path, content: dict[str, list[Any]], target: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        create_task("table", file=write_csv(tmp_path / "x.csv", content), target=target)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_dropped_is_not_looked_at(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", {**changed(year={7: ""}), **TEXT})
    task = create_task("table", file=file, target="kind", drop=["year", "note"])
    assert task.input_shape == (1 + 3 + 1,)
    with pytest.raises(ValueError, match="kind is 'regression', and column 'kind' holds text; allowed: auto, classif"):
        create_task("table", file=file, target="kind", drop=["year", "note"], kind="regression")


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    ragged = np.arange(4.0), np.arange(5.0)
    np.savez(tmp_path / "ragged.npz", x=ragged[0], y=ragged[1])
    np.savez(tmp_path / "cube.npz", x=np.zeros((4, 2, 2)))
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], dtype=object))
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    for name, content in {
        "empty.csv": b"",
        "bytes.csv": b"\xff\xfe\x00a,b\n",
        "header.csv": b"1,2\n3,4\n",
        "twice.csv": b"a,a\n3,4\n",
        "cells.csv": b"a,b\n1,2\n3\n",
        "quote.csv": b'a,b\n"1,2\n',
        "text.npz": b"a,b\n1,2\n",
    }.items():
        (tmp_path / name).write_bytes(content)
    for name, message in {
        "ragged.npz": "its columns have different lengths, {'x': 4, 'y': 5}; allowed: one length",
        "cube.npz": r"array 'x' is float64 of shape \(4, 2, 2\); allowed: numbers or text",
        "objects.npz": "Object arrays cannot be loaded",
        "array.npz": "it holds a single array; allowed: arrays by name",
        "empty.csv": "it is empty; allowed: a line with the names",
        "bytes.csv": "codec can't decode",
        "header.csv": "its first line is '1,2'; allowed: different names of the columns",
        "twice.csv": "its first line is 'a,a'; allowed: different names",
        "cells.csv": "row 2 has 1 cells; allowed: 2, as many as columns",
        "quote.csv": "unexpected end of data",
        "text.npz": "",
    }.items():
        with pytest.raises(
            ValueError, match=rf"file is '.*{name}', which cannot be read as a table: .*{message}"
        ) as caught:
            create_task("table", file=str(tmp_path / name), target="a")
        assert "\n" not in str(caught.value)

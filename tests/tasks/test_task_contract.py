"""What every registered task promises, and what it answers to a wrong option."""

import math
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection
from torchvision.transforms import v2

import hpnets.tasks
from hpnets.tasks import Task, create_task, list_tasks, register_task, task_option_docs, task_options
from hpnets.tasks.base import TASKS
from hpnets.tasks.kinds import ClassificationTask, RegressionTask
from hpnets.tasks.samples import Splits, splits_of
from tests.tasks.conftest import MakeTask

ALL = list_tasks()
KINDS = {name: type(create_task(name)) if name == "table" else TASKS.get(name) for name in ALL}
CLASSIFICATION = [name for name, kind in KINDS.items() if issubclass(kind, ClassificationTask)]
BEST = {"accuracy": 1.0, "mse": 0.0, "psnr": math.inf}


def sets(task: Task) -> dict[str, Any]:
    return {"train": task.train_set, "val": task.val_set, "test": task.test_set}


@pytest.mark.parametrize("name", ALL)
def test_samples_have_the_declared_shape_and_type(name: str, make_task: MakeTask) -> None:
    task = make_task(name)
    assert task.name == name
    for samples in sets(task).values():
        x, y = samples[len(samples) - 1]
        assert x.shape == task.input_shape
        assert x.dtype == torch.float32
        assert y.shape == (() if name in CLASSIFICATION else (task.output_dim,))
        assert y.dtype == (torch.int64 if name in CLASSIFICATION else torch.float32)
    assert len(task.train_indices) == len(task.train_set)


@pytest.mark.parametrize("name", ALL)
def test_loss_metrics_and_targets_take_a_batch(name: str, make_task: MakeTask) -> None:
    task = make_task(name, batch_size=8)
    x, y = next(iter(task.train_dataloader()))
    assert x.shape == (8, *task.input_shape)
    outputs = torch.randn(8, task.output_dim, requires_grad=True)
    loss = task.loss(outputs, y)
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert outputs.grad is not None
    assert outputs.grad.any()
    assert task.targets(y).shape == (8, task.output_dim)
    assert task.targets(y).dtype == torch.float32
    metrics = task.metrics()
    metrics.update(outputs.detach(), y)
    assert f"val/{next(iter(metrics.compute()))}" == task.monitor
    assert task.metrics() is not metrics
    assert isinstance(metrics, MetricCollection)


@pytest.mark.parametrize("name", ALL)
def test_perfect_outputs_are_best(name: str, make_task: MakeTask) -> None:
    """Guards against a monitor that points the wrong way."""
    task = make_task(name, batch_size=8)
    _, y = next(iter(task.val_dataloader()))
    key = task.monitor.removeprefix("val/")
    right, wrong = task.metrics(), task.metrics()
    right.update(task.targets(y), y)
    wrong.update(task.targets(y).roll(1, dims=1) + torch.eye(len(y), task.output_dim), y)
    best, worse = right.compute()[key], wrong.compute()[key]
    assert best == BEST[key]
    assert worse < best if task.monitor_mode == "max" else worse > best
    assert task.loss(10 * task.targets(y) if name in CLASSIFICATION else task.targets(y), y) < 0.05


@pytest.mark.parametrize("name", ALL)
def test_the_probe_is_part_of_the_training_set(name: str, make_task: MakeTask) -> None:
    task = make_task(name)
    x, y, indices = task.probe(23)
    assert x.shape == (23, *task.input_shape)
    assert x.dtype == torch.float32
    assert y.shape == (23, task.output_dim)
    assert y.dtype == torch.float32
    assert indices.dtype == torch.int64
    assert len(indices.unique()) == 23
    position = {row: i for i, row in enumerate(task.train_indices.tolist())}
    for i, row in enumerate(indices.tolist()):
        sample, label = task.train_set[position[row]]
        assert torch.equal(x[i], sample)
        assert torch.equal(y[i], task.targets(label[None])[0])


@pytest.mark.parametrize("name", ALL)
def test_options_alone_decide_the_data(name: str, make_task: MakeTask) -> None:
    torch.manual_seed(1)
    first = make_task(name, seed=3)
    torch.manual_seed(2)
    second, other = make_task(name, seed=3), make_task(name, seed=4)
    for key, samples in sets(first).items():
        twin = sets(second)[key]
        assert torch.equal(samples.indices, twin.indices)
        assert torch.equal(samples.batch([0, 1])[0], twin.batch([0, 1])[0])
    assert torch.equal(first.probe(20).x, second.probe(20).x)
    assert not torch.equal(first.probe(20).x, other.probe(20).x)


@pytest.mark.parametrize("name", ALL)
def test_splits_share_no_row(name: str, make_task: MakeTask) -> None:
    task = make_task(name)
    train, val = set(task.train_indices.tolist()), set(task.val_set.indices.tolist())
    assert len(train) == len(task.train_set)
    assert len(val) == len(task.val_set)
    assert not train & val
    if task.test_set.x is task.train_set.x:
        assert not (train | val) & set(task.test_set.indices.tolist())
    rows = [samples.batch(range(len(samples)))[0].flatten(1) for samples in sets(task).values()]
    together = torch.cat(rows)
    assert len(together.unique(dim=0)) == len(together)


def test_setup_loads_once_and_for_every_stage() -> None:
    task = create_task("digits")
    task.setup("test")
    train, test = task.train_set, task.test_set
    task.setup("fit")
    assert task.train_set is train
    assert task.test_set is test


def test_preprocessing_is_torchvisions_normalize(make_task: MakeTask) -> None:
    for name in ("digits", "cifar10"):
        task = make_task(name)
        raw = task.train_set.x[task.train_indices[:16]].float()
        torch.testing.assert_close(v2.Normalize(**task.preprocessing)(raw), task.train_set.batch(range(16))[0])
    assert create_task("line").preprocessing == {} == create_task("sphere").preprocessing


def test_listing_and_options() -> None:
    assert list_tasks("*mnist*") == ["fashion_mnist", "mnist"]
    assert {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "line", "sphere", "image_fit"} <= set(
        ALL
    )
    of_mnist = ["root", "download", "verify", "batch_size", "seed", "num_workers", "augment", "validation"]
    assert list(task_options("mnist")) == of_mnist
    for name in ALL:
        options = task_options(name).values()
        assert all(option.default is not option.empty and option.annotation is not option.empty for option in options)
        assert list(task_option_docs(name)) == list(task_options(name))
    names = {"Task", "register_task", "create_task", "list_tasks", "task_option_docs", "task_options", "task_summary"}
    assert set(hpnets.tasks.__all__) == names


def test_a_taken_name_cannot_be_registered_again() -> None:
    with pytest.raises(ValueError, match="task 'digits' is registered already"):
        register_task("digits")(Task)  # type: ignore[type-var, type-abstract]
    assert Task.name is None
    assert type(create_task("digits")) is not Task


def test_a_task_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))

    @register_task("halves")
    class Halves(RegressionTask):
        input_shape, output_dim = (2,), 1

        def __init__(self, batch_size: int = 3) -> None:
            super().__init__(batch_size)

        def splits(self) -> Splits:
            x = torch.rand(12, 2, generator=torch.Generator().manual_seed(self.seed))
            return splits_of(*((part, part.mean(1, keepdim=True)) for part in x.split(4)))

    task = create_task("halves", batch_size=2)
    x, y = next(iter(task.test_dataloader()))
    assert task.name == "halves"
    assert x.shape == (2, 2)
    assert torch.allclose(y[:, 0], x.mean(1))
    assert task.probe(4).indices.tolist() == [0, 1, 2, 3]


WRONG = [
    ("digit", {}, "unknown task 'digit'; did you mean digits"),
    ("digits", {"batchsize": 8}, "no option 'batchsize'; did you mean batch_size"),
    ("digits", {"batch_size": 0}, "batch_size is 0; allowed: an integer >= 1"),
    ("digits", {"batch_size": 8.5}, "batch_size is 8.5; allowed: an integer"),
    ("digits", {"batch_size": True}, "batch_size is True; allowed: an integer"),
    ("digits", {"seed": -1}, "seed is -1; allowed: an integer >= 0"),
    ("digits", {"num_workers": -2}, "num_workers is -2; allowed: an integer >= 0"),
    ("mnist", {"download": "false"}, "download is 'false'; allowed: true or false"),
    ("fashion_mnist", {"verify": 1}, "verify is 1; allowed: true or false"),
    ("image_folder", {"size": 0}, "size is 0; allowed: an integer >= 1"),
    ("image_folder", {"channels": 4}, r"channels is 4; allowed: 3 \(colour\), 1 \(grey\)"),
    ("image_folder", {"broken": "skipp"}, r"broken is 'skipp'; did you mean skip\?"),
    ("image_folder", {"normalise": "imagnet"}, r"normalise is 'imagnet'; did you mean imagenet\?"),
    ("image_folder", {"normalise": "imagenet", "channels": 1}, "normalise is 'imagenet'; allowed: data, with channel"),
    ("image_folder", {"root": "no/where"}, "root is 'no/where'; allowed: a folder that holds a folder of pictures for"),
    ("table", {"data": "irises"}, r"data is 'irises'; did you mean iris\?"),
    ("table", {"kind": "regresion"}, r"kind is 'regresion'; did you mean regression\?"),
    ("table", {"target": "area"}, "target is 'area'; allowed without a file: null, as breast_cancer has its own"),
    (
        "table",
        {"drop": ["mean areas"]},
        "drop is 'mean areas', which is no column of the table; did you mean mean area",
    ),
    ("table", {"data": "iris", "drop": ["target"]}, "drop is 'target', which is no column"),
    ("table", {"file": "x.xlsx"}, "file is 'x.xlsx'; allowed: a name that ends in .csv or .npz"),
    ("table", {"file": "no.csv"}, "file is 'no.csv'; allowed: a file, there is none at /.*/no.csv"),
    ("line", {"target": "cubik"}, "target is 'cubik'; did you mean cubic"),
    ("line", {"noise": -0.1}, "noise is -0.1; allowed: a finite number >= 0"),
    ("line", {"noise": float("nan")}, "noise is nan; allowed: a finite number"),
    ("line", {"input_dim": 0, "target": "l1"}, "input_dim is 0; allowed: an integer >= 1"),
    ("line", {"input_dim": 2}, "input_dim is 2; allowed: 1 for target 'cubic', any for linear, quad"),
    ("line", {"train_size": 0}, "train_size is 0; allowed: an integer >= 1"),
    ("line", {"test_size": 0}, "test_size is 0; allowed: an integer >= 1"),
    ("line", {"train_range": (1, 1)}, r"train_range is \(1, 1\); allowed: two numbers, low < high"),
    ("line", {"train_range": (1, 2, 3)}, r"train_range is \(1, 2, 3\); allowed: two numbers"),
    ("line", {"train_range": (-9, 9)}, "test_range is .*; allowed: intervals that contain train_range, "),
    ("line", {"train_range": (0, 1), "test_range": (0, 1.05)}, "at least 1.1 times as wide"),
    ("image_fit", {"image": "flowers"}, "image is 'flowers'; did you mean flower"),
    ("image_fit", {"image": 3}, "image is 3; allowed: china, flower"),
    ("image_fit", {"size": 7}, "size is 7; allowed: an integer >= 8"),
    ("image_fit", {"size": 428}, "size is 428; allowed: an integer from 8 to 427"),
    ("sphere", {"dim": 1}, "dim is 1; allowed: an integer >= 2"),
    ("sphere", {"degrees": "1,x"}, "degrees is '1,x'; allowed: different integers"),
    ("sphere", {"degrees": [2, 2]}, r"degrees is \[2, 2\]; allowed: different integers"),
    ("sphere", {"degrees": [1, -1]}, r"degrees is \[1, -1\]; allowed: different integers"),
    ("sphere", {"degrees": ()}, r"degrees is \(\); allowed: different integers"),
    ("sphere", {"degrees": [1.5]}, r"degrees is \[1.5\]; allowed: different integers"),
    ("sphere", {"amplitude": float("inf")}, "amplitude is inf; allowed: a finite number"),
    ("sphere", {"train_size": 0}, "train_size is 0; allowed: an integer >= 1"),
    ("gaussian_points", {"dim": 0}, "dim is 0; allowed: an integer >= 1"),
    ("gaussian_points", {"dim": 1, "points": "sphere"}, "dim is 1; allowed: an integer >= 2"),
    ("gaussian_points", {"points": "ball"}, "points is 'ball'; allowed: gaussian, sphere"),
    ("gaussian_points", {"labels": "signs"}, "labels is 'signs'; did you mean sign"),
    ("gaussian_points", {"train_size": 0}, "train_size is 0; allowed: an integer >= 1"),
    ("gaussian_points", {"test_size": -1}, "test_size is -1; allowed: an integer >= 1"),
    ("two_curves", {"curve": "circle"}, "curve is 'circle'; allowed: coaxial, fourier, sinusoid"),
    (
        "two_curves",
        {"separation": 0},
        "separation is 0; allowed: one at which the curves do not meet; their least angl",
    ),
    ("two_curves", {"separation": 2.0}, r"separation / 2 \+ amplitude is 1.0; allowed: < 1, so that"),
    ("two_curves", {"curve": "sinusoid", "amplitude": float("nan")}, "amplitude is nan; allowed: a finite number"),
    ("two_curves", {"curve": "sinusoid", "frequency": 0}, "frequency is 0; allowed: an integer >= 1"),
    ("two_curves", {"curve": "fourier", "degree": 0}, "degree is 0; allowed: an integer >= 1"),
    ("two_curves", {"spacing": "odd"}, "spacing is 'odd'; allowed: even, random"),
    ("two_curves", {"train_size": 7}, "train_size is 7; allowed: an even integer >= 2, half of it on each curve"),
    ("two_curves", {"test_size": 0}, "test_size is 0; allowed: an integer >= 2"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_wrong_options_say_what_is_allowed(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_task(name, **options)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_box_holds_the_training_samples(name: str, make_task: MakeTask) -> None:
    """In the units that networks take; each side has the shape of a channel or of a feature."""
    task = make_task(name)
    assert isinstance(task, ClassificationTask)
    x, (low, high) = task.train_set.batch(range(len(task.train_set)))[0], task.box
    assert torch.broadcast_shapes(low.shape, high.shape, x.shape) == x.shape
    assert (low <= x).all()
    assert (x <= high).all()
    if task.raw_range is None:
        assert torch.equal(torch.minimum(low, x.amin(0)), low)
        assert (x == low).any()
        assert (x == high).any()
    elif task.preprocessing:
        raw = (high * torch.tensor(task.preprocessing["std"]).view(low.shape)).flatten()
        raw = raw + torch.tensor(task.preprocessing["mean"])
        torch.testing.assert_close(raw, torch.full_like(raw, task.raw_range[1]), rtol=1e-5, atol=1e-3)

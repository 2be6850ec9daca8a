"""HarmonicMonitor: what is left of each harmonic, on the schedule, against its prediction, and through a resume."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hpnets.kernels import KernelPredictor, learning_curves
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.options import NTKOptions, TrainerOptions
from hpnets.tasks.sphere import SphereTask
from hpnets.theory import sphere_spectrum, zonal_coefficients, zonal_harmonics
from hpnets.training import HarmonicMonitor, LitModel, train
from tests.training.runs import read_rows, small_options
from tests.training.sphere_runs import fit, plain, points, sphere


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*")
def test_measured_against_predicted_learning_curves() -> None:
    """Plain descent of a wide skip PNN of degree 2, three predictions of its harmonics, the closest first.

    The kernel predictor with the kernel at the start knows no harmonics: its own are within 0.02 of 3. The empirical
    convention, lambda_k = v_k^T K v_k / n for unit v_k ~ P_k(<x_i, u>), and the population one, lambda_k of the limit
    kernel on the sphere, leave out what 200 points and 4096 units add: within 10%.
    """
    torch.manual_seed(0)
    task, lr = sphere(train_size=200, batch_size=200, amplitude=3.0), 0.03
    x, y = points(task)
    net = create_model("pnn_skip", input_shape=(3,), output_dim=1, degree=2, width=4096)
    with torch.no_grad():
        start = net(x)
    kernel = ntk(net, x, outputs="trace").double()
    monitor = HarmonicMonitor(x, y, task.direction, task.degrees, every=20)
    fit(LitModel(net, task, plain(lr)), task, monitor, epochs=60)
    assert monitor.steps == [0, 20, 40, 60]
    measured, steps = torch.stack(monitor.coefficients), torch.tensor(monitor.steps)
    predictor = KernelPredictor(kernel, y, start)
    left = [predictor.train(predictor.descent(s, 2 * lr)) - y for s in monitor.steps]
    exact = [zonal_coefficients(r, x, task.direction, task.degrees)[:, 0] for r in left]
    torch.testing.assert_close(measured, torch.stack(exact), rtol=0, atol=0.02)
    v = unit_columns(task, x)
    empirical = learning_curves(((v @ kernel) * v).sum(1) / 200, lr, steps)
    torch.testing.assert_close(measured, empirical * measured[0], rtol=0, atol=0.2)
    population = learning_curves(sphere_spectrum(skip_2, 3, 4).eigenvalues[list(task.degrees)], lr, steps)
    torch.testing.assert_close(measured, population * measured[0], rtol=0, atol=0.2)
    assert measured[0].abs().min() > 2
    assert measured[-1, 0].abs() < 0.2
    assert measured[-1, 2] < -2.5


def skip_2(t: Tensor) -> Tensor:
    """The limit kernel of pnn_skip, degree 2: 2 [k1 Q + t k0 Q + k1 t k0], Q = 1 + 2/sqrt(2 pi) + k1."""
    angle = torch.acos(t)
    k0, k1 = (math.pi - angle) / (2 * math.pi), (angle.sin() + (math.pi - angle) * t) / (2 * math.pi)
    q = 1 + 2 / math.sqrt(2 * math.pi) + k1
    return 2 * (k1 * q + t * k0 * q + k1 * t * k0)


def unit_columns(task: SphereTask, x: Tensor) -> Tensor:
    """Unit vectors P_k(<x_i, u>) / |.|, (D, n)."""
    table = zonal_harmonics((x.double() @ task.direction).clamp(-1, 1), 3, max(task.degrees))[list(task.degrees)]
    return table / table.norm(dim=1, keepdim=True)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*")
def test_a_resumed_fit_continues_and_a_new_one_starts_anew(tmp_path: Path) -> None:
    task = sphere(train_size=50, batch_size=50)
    x, y = points(task)

    def made() -> tuple[LitModel, HarmonicMonitor]:
        torch.manual_seed(1)
        net = create_model("pnn", input_shape=(3,), output_dim=1, width=16)
        return LitModel(net, task, plain(0.05)), HarmonicMonitor(x, y, task.direction, task.degrees)

    whole_module, whole = made()
    fit(whole_module, task, whole, epochs=5)
    module, monitor = made()
    fit(module, task, monitor, epochs=3).save_checkpoint(tmp_path / "three.ckpt")
    module, again = made()
    fit(module, task, again, epochs=5, checkpoint=tmp_path / "three.ckpt")
    assert again.steps == whole.steps == [0, 1, 2, 3, 4, 5]
    assert torch.equal(torch.stack(again.coefficients), torch.stack(whole.coefficients))
    fit(module, task, again, epochs=1)
    assert again.steps == [0, 1]


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:.*smaller than the logging interval.*")
def test_runs_of_the_sphere_task_log_harmonics(tmp_path: Path) -> None:
    options = small_options(
        model={"name": "mlp", "width": 8, "depth": 1},
        task={"name": "sphere", "train_size": 40, "test_size": 10, "batch_size": 20, "degrees": "1,3"},
        ntk=NTKOptions(every="off"),
        optim=plain(0.01),
        trainer=TrainerOptions(max_epochs=2, accelerator="cpu"),
    )
    train(options, tmp_path / "run")
    rows = {int(row["step"]): row for row in read_rows(tmp_path / "run")}
    for step in (0, 1, 2, 3, 4):
        assert rows[step]["harmonic/1"]
        assert rows[step]["harmonic/3"]
    few = {"name": "sphere", "train_size": 2, "test_size": 10, "batch_size": 2}
    train(small_options(model={"name": "mlp", "width": 4}, task=few, ntk=NTKOptions(every="off")), tmp_path / "few")
    assert "harmonic/1" not in read_rows(tmp_path / "few")[0]


X = torch.eye(3).repeat(2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2 * X, torch.ones(6, 1), X[0], (1,)), "x has norms from 2 to 2; allowed: 1"),
        ((X, torch.ones(6, 2), X[0], (1,)), r"y has shape \(6, 2\); allowed: \(6, 1\), one output"),
        ((X, torch.ones(5, 1), X[0], (1,)), r"values has shape \(5, 1\)"),
    ],
)
def test_bad_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HarmonicMonitor(*arguments)
    with pytest.raises(ValueError, match="every is 0"):
        HarmonicMonitor(X, X[:, :1], X[0], (1,), every=0)

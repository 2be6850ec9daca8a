"""Trained networks are compared with the predictor of their own kernel at the start, on held-out points, over width."""

import statistics
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.options import OptimOptions
from hpnets.statistics import log_slope, spread
from hpnets.statistics import table as markdown
from hpnets.tasks.sphere import SphereTask, sphere_points
from hpnets.training import LinearTwin, LitModel

WIDTHS, SEEDS, TOLERANCE = (1024, 4096, 16384), 8, 0.005
ABOUT = (
    "A `pnn` of degree 2 is trained by `LitModel`: 100 steps of plain descent, lr 0.5, on 8 points of the sphere in "
    "R^4 with f* = P_1 + P_2; `KernelPredictor` is given the network's kernel at the start and the same steps. Shown "
    "are root mean squares over 20 held-out points, mean +- standard deviation over seeds: how far the network moved, "
    "and how far it ends from the predictor, and from its linearisation at the start trained on the same batches "
    f"(`LinearTwin`). Tolerance at the greatest width: {TOLERANCE}. Theory: the gap falls as m^(-1/2)."
)


def setting(width: int, seed: int) -> tuple[SphereTask, nn.Module, Tensor]:
    """The task (8 training points on the sphere in R^4, f* = P_1 + P_2), a PNN of degree 2, and 20 held-out points."""
    task = SphereTask(dim=4, degrees=(1, 2), amplitude=1.0, train_size=8, test_size=20, batch_size=8, seed=3)
    task.setup()
    torch.manual_seed(seed)
    net = create_model("pnn", input_shape=(4,), output_dim=1, degree=2, width=width)
    return task, net, sphere_points(20, 4, torch.Generator().manual_seed(9)).float()


def predictor_of(task: SphereTask, net: nn.Module, x_test: Tensor, lr: float) -> Callable[[int], Tensor]:
    """A function of the steps: held-out predictions of the kernel at the start, for descent on mean squared error."""
    x, y = task.train_set.batch(range(8))
    net = net.double()
    with torch.no_grad():
        start, start_test = net(x.double()), net(x_test.double())
    kernel = KernelPredictor(ntk(net, x.double(), outputs="trace"), y, start)
    cross = ntk(net, x_test.double(), x.double(), outputs="trace")
    net.float()
    return lambda steps: kernel.test(kernel.descent(steps, 2 * lr), cross, start_test)


def gaps(width: int, seed: int, steps: int = 100, lr: float = 0.5) -> dict[str, float]:
    """The distances of `LinearTwin` after training by full batches of plain descent."""
    task, net, x_test = setting(width, seed)
    twin = LinearTwin(x_test, predictor_of(task, net, x_test, lr), every=steps)
    trainer = pl.Trainer(
        max_epochs=steps,
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[twin],
    )
    trainer.fit(LitModel(net, task, OptimOptions("sgd", lr, momentum=0.0)), datamodule=task)
    return twin.distances[-1]


def measure(widths: tuple[int, ...] = WIDTHS, seeds: int = SEEDS) -> dict[str, Any]:
    """The distances of each seed by width, and the log-log slope of the mean gap between network and predictor."""
    torch.set_num_threads(1)
    measured = {str(m): [gaps(m, seed) for seed in range(seeds)] for m in widths}
    means = [statistics.fmean(one["lazy/net_kernel"] for one in each) for each in measured.values()]
    return {"distances": measured, "slope": log_slope([float(m) for m in widths], means)}


def table(measured: dict[str, Any]) -> str:
    """A table with a row for each width, then the slope."""
    keys = {"lazy/moved": "moved", "lazy/net_kernel": "from the predictor", "lazy/net_linear": "from its linearisation"}
    rows = [
        (f"{int(width):,}", str(len(each)), *(spread([one[key] for one in each], ".2g") for key in keys))
        for width, each in measured["distances"].items()
    ]
    table_text = markdown(("m", "seeds", *keys.values()), rows)
    return f"{table_text}\n\nSlope of the gap to the predictor: {measured['slope']:.2f}."

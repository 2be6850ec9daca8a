"""One run of recipes.bench.stability, and the scale of a network's features before it is trained."""

import io
import math
import re
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hpnets.options import RunOptions
    from hpnets.training import RunFolder

SAMPLES, KERNEL_SAMPLES, INPUTS, WIDTH = 1000, 200, 64, 256  # of `initial`


def trained(
    model: dict[str, Any],
    task: dict[str, Any],
    optim: dict[str, Any],
    epochs: int,
    inputs: float,
    weights: float,
    product: str,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """The test metrics of a run, or the step of its first NaN or Inf; rms, largest output and gradient at its start.

    Of a regression also "worst", the share of the sum of squared test errors that one sample carries.
    """
    from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions
    from hpnets.training import NonFiniteError, RunFolder, train

    options = RunOptions(
        model={**model, "product": product},
        task=task,
        optim=OptimOptions(**optim),
        ntk=NTKOptions(every="off"),
        trainer=TrainerOptions(max_epochs=epochs, accelerator=device),
        seed=seed,
    )
    options.wandb.mode = "off"
    start = at_start(options, inputs, weights)
    own = None if inputs == weights == 1 else network(options, inputs, weights)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        try:
            run = train(options, Path(folder) / "run", net=own)
        except NonFiniteError as error:
            return {"start": start, "step": step_in(str(error)), "metrics": None}
        metrics = {**run.results["metrics"], **worst(RunFolder(run.folder))}
    test = {name.removeprefix("test/"): for_json(value) for name, value in metrics.items()}
    return {"start": start, "step": None, "metrics": test}


def worst(run: "RunFolder") -> dict[str, float]:
    """The greatest share of the sum of squared test errors that one sample carries; {} for classes."""
    from hpnets.atomic_files import read_tensors

    kept = read_tensors(run.predictions)
    if not kept["targets"].is_floating_point():
        return {}
    squares = (kept["outputs"] - kept["targets"]).double().square()
    return {"worst": float(squares.max() / squares.sum())}


def step_in(message: str) -> int:
    """The step that a NonFiniteError names; RuntimeError if it names none."""
    if named := re.search(r"at step (\d+)", message):
        return int(named[1])
    raise RuntimeError(f"no step in {message!r}")


def network(options: "RunOptions", inputs: float, weights: float) -> "nn.Module":
    """The network that `train` would build, its inputs multiplied, and its U_n with n >= 2 at the start."""
    import torch

    from hpnets.training.build import build, complete

    torch.manual_seed(options.seed)
    net = build(complete(options))[0]
    if inputs != 1:
        net.register_forward_pre_hook(lambda module, args: (args[0] * inputs,))
    if weights != 1:
        scale_factors(net, weights)
    return net


def scale_factors(net: "nn.Module", weights: float) -> None:
    """Multiply the U_n with n >= 2 of a CCP."""
    import torch

    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.startswith("U.") and not name.startswith("U.0."):
                weight.mul_(weights)


def at_start(options: "RunOptions", inputs: float, weights: float) -> dict[str, float | None]:
    """rms and largest |f| over the training samples as one batch, and the norm of the gradient of their loss."""
    import torch

    from hpnets.tasks.base import SupervisedTask
    from hpnets.training.build import build, complete

    net, task = network(options, inputs, weights), build(complete(options))[1]
    assert isinstance(task, SupervisedTask)
    x, y = task.train_set.batch(torch.arange(len(task.train_set)))
    f = net(x)
    gradients = torch.autograd.grad(task.loss(f, y), list(net.parameters()))
    square = sum(float(g.double().square().sum()) for g in gradients)
    return {**size_of(f.detach()), "gradient": for_json(math.sqrt(square))}


def size_of(values: "Tensor") -> dict[str, float | None]:
    """Root mean square and largest absolute value."""
    v = values.double()
    return {"rms": for_json(float(v.square().mean().sqrt())), "largest": for_json(float(v.abs().max()))}


def for_json(value: float) -> float | None:
    """None for NaN and Inf, which json has not."""
    return value if math.isfinite(value) else None


def initial(product: str, skip: bool, residual: bool, degree: int, seed: int, device: str) -> dict[str, Any]:
    """rms, median and largest |y_N| of CCP on Gaussian x of mean square 1, over samples and units, and its K(x, x).

    residual: the U_n with n >= 2 are multiplied with (N - 1)^(-1/2). K(x, x) is the mean over some of the samples.
    """
    import torch

    from hpnets import create_model
    from hpnets.ntk import ntk

    torch.manual_seed(seed)
    x = torch.randn(SAMPLES, INPUTS)
    x /= x.square().mean(1, keepdim=True).sqrt()
    net = create_model(
        "ccp", input_shape=(INPUTS,), output_dim=1, degree=degree, width=WIDTH, skip=skip, product=product
    )
    if residual:
        scale_factors(net, (degree - 1) ** -0.5)
    kernel = float(ntk(net.eval(), x[:KERNEL_SAMPLES], outputs="trace").diagonal().mean())
    features: list[Tensor] = []
    net.get_submodule("C").register_forward_pre_hook(lambda module, args: features.append(args[0].detach()))
    net(x)
    return {**size_of(features[0]), "median": float(features[0].abs().median()), "kernel": kernel}


@dataclass(frozen=True)
class Expected:
    """Means over the weights of CCP at the start: (E y_N^2)^(1/2), E y_N^4 / (E y_N^2)^2 and E K(x, x)."""

    rms: float
    kurtosis: float
    kernel: float


def expected(product: str, skip: bool, residual: bool, degree: int) -> Expected:
    r"""What `initial` measures, for x of mean square 1, d inputs and w units; N is the degree.

    U_n x = u_n, times a for n >= 2, with independent u_n ~ N(0, 1); a is 1, or (N - 1)^(-1/2) if `residual`.
    y_N = a^(N - 1) prod u_n, or u_1 prod (1 + a u_n) with the skip: E y_N^2 = q^(N - 1), with q = a^2, or 1 + a^2, the
    mean square of a factor, whose fourth moment is 3 a^4, or 1 + 6 a^2 + 3 a^4. In K(x, x) the gradient of U_n has the
    mean square d q^(N - 1) for n = 1 and d q^(N - 2) for the others, that of C w q^(N - 1), that of b 1.
    The twin (for a = 1): y_N is Gaussian, of variance v = N, or v = sum_n 4^(N - n) = (4^N - 1) / 3 with the skip,
    which doubles y_(n - 1); K(x, x) is (d + w) v + 1.
    """
    if product == "sum":
        v = (4**degree - 1) / 3 if skip else degree
        return Expected(v**0.5, 3.0, (INPUTS + WIDTH) * v + 1)
    a = (degree - 1) ** -0.5 if residual else 1.0
    q, fourth = (1 + a**2, 1 + 6 * a**2 + 3 * a**4) if skip else (a**2, 3 * a**4)
    square = q ** (degree - 1)
    kernel = INPUTS * (square + (degree - 1) * square / q) + WIDTH * square + 1
    return Expected(square**0.5, 3 * (fourth / q**2) ** (degree - 1), kernel)

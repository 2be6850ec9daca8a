"""Measure kernel drift against width: python -m recipes.zoo.drift_width --widths 64,128,256,512,1024"""

import tempfile
from pathlib import Path

from hpnets.commands.parser import run_command
from recipes.command_line import command_of

PROBE, MOMENTUM = 50, 0.9
ABOUT = """Networks of growing width on digits, {epochs} epochs of SGD with momentum 0.9, {seeds} seeds each. The
learning rate is {rate} n (1 - 0.9) / lambda_max, lambda_max that of the full kernel of the n = 50 probe samples at the
start, so that all widths learn at one rate in the linear regime. Drift is |K_T - K_0| / |K_0| of the trace kernel of
the same samples, mean +- standard deviation; theory has it fall with width."""


def drift_width(
    models: str = "mlp,ccp,pnn",
    widths: str = "64,128,256,512,1024",
    seeds: int = 3,
    epochs: int = 10,
    rate: float = 1.0,
    out: str = "docs/results/zoo",
) -> None:
    """Train each model at each width with a learning rate scaled by its kernel; write width.json.

    Args:
        models: dense models with a width, parted by commas
        widths: the widths, parted by commas
        seeds: how many runs of each
        epochs: the epochs of each run
        rate: the learning rate in units of n (1 - momentum) / lambda_max, which is the rate of the linear dynamics
        out: folder of width.json
    """
    from hpnets.atomic_files import write_json
    from hpnets.statistics import mean_std

    if seeds < 2:
        raise ValueError(f"seeds is {seeds}; allowed: >= 2, for a spread")
    measured: dict[str, dict[str, object]] = {}
    for model in models.split(","):
        measured[model] = {}
        for width in widths.split(","):
            measured[model][width] = mean_std([drift(model, int(width), seed, epochs, rate) for seed in range(seeds)])
            print(model, width, measured[model][width], flush=True)
    command = command_of("recipes.zoo.drift_width")
    record = {"command": command, "about": ABOUT.format(epochs=epochs, seeds=seeds, rate=rate), "drift": measured}
    write_json(Path(out) / "width.json", record)


def drift(model: str, width: int, seed: int, epochs: int, rate: float) -> float:
    """The kernel drift of one run."""
    from hpnets.options import NTKOptions, OptimOptions, RunOptions, TrainerOptions, WandbOptions
    from hpnets.training import train

    options = {"name": model, "width": width, **({"scale_inputs": True} if model.startswith("pnn") else {})}
    run = RunOptions(
        model=options,
        optim=OptimOptions("sgd", learning_rate(options, seed, rate)),
        ntk=NTKOptions(PROBE, "epoch", metrics=["drift"]),
        trainer=TrainerOptions(max_epochs=epochs, accelerator="cpu"),
        wandb=WandbOptions("off"),
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        return train(run, Path(folder) / "run").results["kernel"]["drift"]


def learning_rate(model: dict[str, object], seed: int, rate: float) -> float:
    """The learning rate: rate n (1 - momentum) / lambda_max, lambda_max of the full kernel at the start."""
    import lightning.pytorch as pl

    from hpnets.linalg import spectrum
    from hpnets.ntk import ntk
    from hpnets.options import RunOptions
    from hpnets.training.build import build

    pl.seed_everything(seed, verbose=False)
    net, task = build(RunOptions(model=model, seed=seed))
    kernel = ntk(net.eval(), task.probe(PROBE).x, outputs="full")
    return rate * PROBE * (1 - MOMENTUM) / float(spectrum(kernel).eigenvalues[0])


if __name__ == "__main__":
    run_command(drift_width)

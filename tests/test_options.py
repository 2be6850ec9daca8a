"""The options of a run: round trip, and each bad value."""

import dataclasses
import math
from typing import Any

import pytest
import yaml

from hpnets.options import (
    AdversarialOptions,
    CurvatureOptions,
    GANOptions,
    NTKOptions,
    OptimOptions,
    RunOptions,
    TrainerOptions,
    WandbOptions,
)

CHANGED = RunOptions(
    model={"name": "ncp", "skip": True},
    task={"name": "line", "train_range": [0.0, 1.0]},
    optim=OptimOptions("sgd", 0.5, 0.1, 0.5, True, [0.8, 0.9], "wsd", 3, 0.1, [0.3], 0.2, 0.4, 1.0, 0.9, 0.3, 0.1),
    ntk=NTKOptions(7, "log", 3, ["drift"], "ntkvp", True, "running", "U,C"),
    curvature=CurvatureOptions("log", 30, 2),
    trainer=TrainerOptions(2, 3, "cpu", "ddp", "64-true", True, 50, "2h", 2, 4, "5epochs", "10m", 7, True),
    gan=GANOptions(8, 2.0, 4, 0.5, 3),
    adversarial=AdversarialOptions(0.1, 7, 0.5, "l2", "both", "adversarial"),
    wandb=WandbOptions("off", "p", "g", ["t"], "n"),
    seed=5,
    init_from="ccp-digits",
    freeze="U.*",
    dynamics="centred",
    imports={"/nets.py": "1234"},
)


@pytest.mark.parametrize("options", [RunOptions(), CHANGED])
def test_a_config_file_gives_the_same_options(options: RunOptions) -> None:
    text = yaml.safe_dump(options.to_dict())
    assert RunOptions.from_dict(yaml.safe_load(text)) == options


def test_every_option_was_changed_in_the_round_trip() -> None:
    for part, default in [(CHANGED, RunOptions()), *((getattr(CHANGED, k), t()) for k, t in PARTS.items())]:
        for field in dataclasses.fields(default):
            assert getattr(part, field.name) != getattr(default, field.name), field.name


PARTS: dict[str, type] = {
    **{"optim": OptimOptions, "ntk": NTKOptions, "trainer": TrainerOptions, "gan": GANOptions},
    **{"wandb": WandbOptions, "adversarial": AdversarialOptions},
    **{"wandb": WandbOptions, "curvature": CurvatureOptions},
}


def test_parts_may_be_left_out() -> None:
    options = RunOptions.from_dict({"model": {"name": "mlp"}, "optim": {"lr": 1.0}})
    assert options == RunOptions(model={"name": "mlp"}, optim=OptimOptions(lr=1.0))
    assert RunOptions().model is not RunOptions().model


def test_an_unknown_part_or_option_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no option sede; did you mean seed\?"):
        RunOptions.from_dict({"sede": 1})
    with pytest.raises(ValueError, match=r"there is no option optim.lrr; did you mean lr\?"):
        RunOptions.from_dict({"optim": {"lrr": 1}})
    wrong: tuple[Any, ...] = (None, [], 3, {"optim": None}, {"optim": 0.1}, {"model": "mlp"}, {"task": None})
    for config in wrong:
        with pytest.raises(ValueError, match="allowed: options by name"):
            RunOptions.from_dict(config)


def test_a_model_or_task_without_a_name_is_refused() -> None:
    for name in ({}, {"name": None}, {"name": 3}):
        with pytest.raises(ValueError, match=r"task.name is .*; allowed: one of --list_tasks"):
            RunOptions(task={"batch_size": 3} | name)


def test_no_option_takes_null_or_another_type() -> None:
    """Every field of every group: None, unless it is the default, and a value that its type does not allow."""
    for group, part in PARTS.items():
        for f in dataclasses.fields(part):
            for value in ({"a": 1}, [None], *([] if f.default is None else [None])):
                with pytest.raises(ValueError, match=rf"^{group}\.{f.name} is .*; allowed: "):
                    RunOptions.from_dict({group: {f.name: value}})
    for name in ("seed", "wandb", "freeze", "dynamics", "imports"):
        with pytest.raises(ValueError, match=rf"^{name} is None; allowed: "):
            RunOptions.from_dict({name: None})


def test_what_yaml_makes_of_a_number_or_of_off_is_read_by_the_type() -> None:
    options = RunOptions.from_dict(yaml.safe_load("optim: {lr: 1e-4, momentum: 0}\nntk: {every: off}\nwandb: off\n"))
    assert RunOptions.from_dict(yaml.safe_load("trainer: {max_time: off}")).trainer.max_time == "off"
    assert (options.optim.lr, options.optim.momentum) == (1e-4, 0.0)
    assert (options.ntk.every, options.wandb) == ("off", WandbOptions("off"))
    for short in (RunOptions(wandb="offline"), RunOptions.from_dict({"wandb": "offline"})):
        assert short.wandb == WandbOptions("offline")
    assert RunOptions.from_dict(yaml.safe_load("ntk: {every: 5, outputs: '3'}")).ntk.outputs == 3


BAD: list[tuple[type, dict[str, Any], str]] = [
    (OptimOptions, {"name": "lion"}, "optim.name is 'lion'; allowed: adam, adamw, sgd"),
    (OptimOptions, {"schedule": "cosin"}, r"optim.schedule is 'cosin'; did you mean cosine\?"),
    (OptimOptions, {"warmup": 2.5}, "optim.warmup is 2.5; allowed: a whole number of steps, or a fraction < 1"),
    (OptimOptions, {"warmup": -1}, "optim.warmup is -1; allowed: a finite number >= 0"),
    (OptimOptions, {"final": 1.5}, "optim.final is 1.5; allowed: 0 to 1"),
    (OptimOptions, {"milestones": [0.5, 1.0]}, r"optim.milestones is \[0.5, 1.0\]; allowed: fractions > 0 and < 1"),
    (OptimOptions, {"gamma": 0}, "optim.gamma is 0; allowed: a finite number > 0"),
    (OptimOptions, {"cooldown": 0}, "optim.cooldown is 0; allowed: > 0 and <= 1"),
    (OptimOptions, {"clip": -1.0}, "optim.clip is -1.0; allowed: a finite number >= 0"),
    (OptimOptions, {"mixup": math.inf}, "optim.mixup is inf; allowed: a finite number >= 0"),
    (OptimOptions, {"nesterov": True, "momentum": 0}, "optim.nesterov is True; allowed: false with momentum 0"),
    *[
        (OptimOptions, {"betas": betas}, r"optim.betas is \[.*\]; allowed: two numbers >= 0 and < 1")
        for betas in ([0.9], [0.9, 1.0], [-0.1, 0.9], [0.9, math.nan])
    ],
    *[
        (OptimOptions, {name: value}, f"optim.{name} is {value}; allowed: >= 0 and < 1")
        for name in ("ema", "label_smoothing")
        for value in (1.0, -0.1, math.nan)
    ],
    *[
        (OptimOptions, {"lr": lr}, f"optim.lr is {lr}; allowed: a finite number > 0")
        for lr in (0, -0.1, math.inf, math.nan)
    ],
    *[
        (OptimOptions, {"weight_decay": w}, f"optim.weight_decay is {w}; allowed: a f")
        for w in (-1, math.inf, math.nan)
    ],
    *[(OptimOptions, {"momentum": m}, f"optim.momentum is {m}; allowed: >= 0 and < 1") for m in (-0.1, 1, math.nan)],
    (NTKOptions, {"probe": 0}, "ntk.probe is 0; allowed: an integer >= 1"),
    (NTKOptions, {"every": 0}, "ntk.every is 0; allowed: an integer >= 1, 'epoch', 'log' or 'off'"),
    (NTKOptions, {"every": -3}, "ntk.every is -3"),
    (NTKOptions, {"every": True}, "ntk.every is True; allowed: an integer, 'epoch', 'log', 'off'"),
    (NTKOptions, {"every": "never"}, "ntk.every is 'never'"),
    (NTKOptions, {"outputs": -1}, "ntk.outputs is -1; allowed: a logit, trace, full, sum"),
    (NTKOptions, {"probe": 2**64}, "ntk.probe is 18446744073709551616; allowed: an integer"),
    (NTKOptions, {"batch_statistics": "young"}, "ntk.batch_statistics is 'young'; allowed: 'estimate', 'running'"),
    (AdversarialOptions, {"eps": -0.1}, "adversarial.eps is -0.1; allowed: a finite number >= 0"),
    (AdversarialOptions, {"eps": 1.1}, "adversarial.eps is 1.1; allowed: 0 to 1, a fraction of the data's range"),
    (AdversarialOptions, {"eps": 0.1, "steps": 0}, "adversarial.steps is 0; allowed: an integer >= 1"),
    (AdversarialOptions, {"eps": 0.1, "step_size": 0}, "adversarial.step_size is 0; allowed: a finite number > 0"),
    *[
        (AdversarialOptions, {name: value}, f"adversarial.{name} is '?{value}'?; allowed: .* without adversarial.eps")
        for name, value in (("steps", 7), ("step_size", 0.5), ("norm", "l2"), ("mix", "both"), ("probe", "adversarial"))
    ],
    (CurvatureOptions, {"every": 0}, "curvature.every is 0; allowed: an integer >= 1, 'epoch', 'log' or 'off'"),
    (CurvatureOptions, {"probe": 0}, "curvature.probe is 0; allowed: an integer >= 1"),
    (CurvatureOptions, {"k": 0}, "curvature.k is 0; allowed: an integer >= 1"),
    (TrainerOptions, {"max_epochs": 0}, "trainer.max_epochs is 0; allowed: an integer >= 1"),
    *[
        (TrainerOptions, {name: value}, f"trainer.{name} is {value}; allowed: an integer >= 1, 'auto'")
        for name in ("devices", "num_nodes")
        for value in (0, -1)
    ],
    *[
        (TrainerOptions, {"strategy": name}, f"trainer.strategy is '{name}'; allowed: auto, ddp: a kernel needs")
        for name in ("fsdp", "fsdp_cpu_offload", "deepspeed_stage_2")
    ],
    (WandbOptions, {"mode": "ofline"}, "wandb.mode is 'ofline'; allowed: 'online', 'offline', 'off', 'auto'"),
    *[
        (WandbOptions, {name: value}, f"wandb.{name} is '.*; allowed: a text of 1 to 128 characters, null")
        for name in ("project", "group", "name")
        for value in ("", " ", 129 * "a")
    ],
    (WandbOptions, {"project": "a/b"}, "wandb.project is 'a/b'; allowed: a name without any of /"),
    *[
        (WandbOptions, {"tags": tags}, r"wandb.tags is \[.*\]; allowed: a list of words of 1 to 64 characters")
        for tags in ([""], ["a", " "], [65 * "a"])
    ],
    (WandbOptions, {"tags": "a"}, "wandb.tags is 'a'; allowed: a list of names"),
    (WandbOptions, {"tags": [1]}, r"wandb.tags is \[1\]; allowed: a list of names"),
    *[
        (TrainerOptions, {name: 0}, f"trainer.{name} is 0; allowed: an integer >= 1")
        for name in ("accumulate_grad_batches", "val_every", "save_every")
    ],
    *[
        (TrainerOptions, {"max_steps": n}, f"trainer.max_steps is {n}; allowed: an integer >= 1, or -1 for max_epochs")
        for n in (0, -2)
    ],
    *[
        (
            TrainerOptions,
            {"max_time": t},
            f"trainer.max_time is {t!r}; allowed: a time such as 90s, 10m, 8h or 5d, or o",
        )
        for t in ("", "10", "0s", "-1h", "1h30m", "10 m", "1w", "epoch")
    ],
    *[
        (
            TrainerOptions,
            {"val_every": v},
            rf"trainer.val_every is {v!r}; allowed: an integer >= 1 \(steps\), epoch, 2ep",
        )
        for v in ("", "0epochs", "10m", "epochs", "2 epochs", "-1epochs", "1.5epochs")
    ],
    *[
        (
            TrainerOptions,
            {"save_every": v},
            rf"trainer.save_every is {v!r}; allowed: an integer >= 1 \(steps\), epoch, a ",
        )
        for v in ("", "0m", "2epochs", "500steps", "off")
    ],
    *[
        (TrainerOptions, {"limit_train_batches": v}, f"trainer.limit_train_batches is {v}; allowed: an integer >= 1")
        for v in (0, -1, 0.0, 1.5, -0.1)
    ],
    (
        RunOptions,
        {"dynamics": "centred"},
        "dynamics is 'centred'; allowed: network, without init_from: the",
    ),
    (
        RunOptions,
        {"dynamics": "lazy", "init_from": "ccp-digits"},
        "dynamics is 'lazy'; allowed: 'network', '",
    ),
    (RunOptions, {"seed": -1}, r"seed is -1; allowed: 0 to 2\*\*32 - 1"),
    (RunOptions, {"seed": 2**32}, "seed is 4294967296"),
]


@pytest.mark.parametrize(("part", "values", "message"), BAD)
def test_bad_values_are_refused(part: type, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part(**values)


def test_the_ends_of_each_range_are_allowed() -> None:
    OptimOptions(lr=1e-300, weight_decay=0, betas=[0, 0.999], final=1, cooldown=1, milestones=[])
    NTKOptions(probe=1, every=1)
    AdversarialOptions(eps=1, steps=1)
    TrainerOptions(max_epochs=1, devices=1, max_steps=1, val_every=1, save_every="1s", limit_train_batches=1)
    WandbOptions(project=128 * "a", tags=[64 * "a"])
    assert RunOptions(seed=2**32 - 1).seed == 2**32 - 1

"""LitGAN: its losses by hand, who is moved by which, the average, resuming, and what a run leaves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from hpnets.atomic_files import read_tensors
from hpnets.ntk import ntk
from hpnets.options import GANOptions, NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.schedules import rate_factor
from hpnets.tasks import create_task, generation
from hpnets.tasks.generation import GenerationTask
from hpnets.training import LitGAN, NonFiniteError, RunFolder, load_run, train
from hpnets.training.build import build
from tests.training.runs import read_rows, small_options
from tests.training.test_resume import assert_same_run

TASK = {"name": "digits", "batch_size": 199}
SCHEDULED = OptimOptions(lr=0.01, schedule="cosine", warmup=1)
GAN = GANOptions(latent=6, r1=0.5, r1_every=3, ema=0.9, critic_width=2)


@pytest.fixture(autouse=True)
def short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass over the digits an epoch, 6 steps."""
    monkeypatch.setattr(generation, "EPOCH", 1197)


def options(**changes: Any) -> RunOptions:
    model = {"name": "style_generator", "width": 2}
    parts = {"model": model, "gan": GAN, "ntk": NTKOptions(probe=3, every=5), "task": TASK}
    return small_options(**{**parts, **changes})


def module_and_batch(**changes: Any) -> tuple[LitGAN, Tensor, Tensor]:
    """A module in float64, 5 real pictures and 5 latents."""
    torch.manual_seed(0)
    chosen = options(**changes)
    net, task = build(chosen)
    assert isinstance(task, GenerationTask)
    x, _ = task.train_set.batch(range(5))
    return LitGAN(net, task, chosen.optim, chosen.gan).double(), x.double(), task.latents(5).double()


def test_the_critics_loss_is_cross_entropy_of_real_and_made() -> None:
    module, x, z = module_and_batch()
    made = module.net.eval()(z).view_as(x).detach()
    expected = F.binary_cross_entropy_with_logits(module.critic(x), torch.ones(5).double())
    expected = expected + F.binary_cross_entropy_with_logits(module.critic(made), torch.zeros(5).double())
    assert module.critic_loss(x, made, penalised=False).item() == pytest.approx(expected.item())


def test_the_penalty_is_half_gamma_times_the_slope_on_real_pictures() -> None:
    """By central differences of the sum of the logits, which the batch's spread couples."""
    module, x, z = module_and_batch()
    made = module.net.eval()(z).view_as(x).detach()
    slopes = torch.zeros_like(x)
    with torch.no_grad():
        for place in np.ndindex(*x.shape):
            step = torch.zeros_like(x)
            step[place] = 1e-5
            slopes[place] = (module.critic(x + step).sum() - module.critic(x - step).sum()) / 2e-5
    plain, penalised = (module.critic_loss(x, made, penalised=p) for p in (False, True))
    expected = 3 * 0.5 / 2 * slopes.square().sum() / 5
    assert (penalised - plain).item() == pytest.approx(expected.item(), rel=1e-4)


class Steps:
    """The trainer of a module on its own: one process, no loggers."""

    log_every_n_steps = 0

    class strategy:
        @staticmethod
        def reduce(value: Tensor, reduce_op: str) -> Tensor:
            return value


def step(module: LitGAN, x: Tensor, batch_idx: int, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(LitGAN, "trainer", Steps)
    monkeypatch.setattr(LitGAN, "log", lambda *_, **__: None)
    return module.training_step((x, torch.zeros(len(x))), batch_idx)


def test_each_network_is_moved_by_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x, _ = module_and_batch(model={"name": "style_generator", "width": 2, "noise": False})
    torch.manual_seed(4)
    step(module, x, 1, monkeypatch).backward()
    torch.manual_seed(4)
    made = module.net(torch.randn(5, 6, dtype=torch.float64)).view_as(x)
    loss = F.softplus(-module.critic(made)).mean()
    for p, g in zip(module.net.parameters(), torch.autograd.grad(loss, list(module.net.parameters())), strict=True):
        torch.testing.assert_close(p.grad, g)
    critic_loss = module.critic_loss(x, made.detach(), penalised=False)
    weights = list(module.critic.parameters())
    for p, g in zip(weights, torch.autograd.grad(critic_loss, weights), strict=True):
        torch.testing.assert_close(p.grad, g)


def test_the_penalty_comes_each_r1_every_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x, _ = module_and_batch()
    asked: list[bool] = []
    monkeypatch.setattr(module, "critic_loss", lambda x, made, penalised: asked.append(penalised) or made.sum())
    for k in range(7):
        step(module, x, k, monkeypatch)
    assert asked == [True, False, False, True, False, False, True]


def test_the_average_follows_and_is_what_is_deployed() -> None:
    module, _, z = module_and_batch()
    before = [p.clone() for p in module.net.parameters()]
    with torch.no_grad():
        for p in module.net.parameters():
            p.add_(1)
    module.follow()
    for old, p in zip(before, module.average.parameters(), strict=True):
        torch.testing.assert_close(p, old + 0.1)
    deployed = module.deployed()
    assert not deployed.training
    assert all(p.requires_grad for p in deployed.parameters())
    assert torch.equal(deployed(z), module.average.eval()(z))
    assert not any(p.requires_grad for p in module.average.parameters())


def test_the_average_has_the_buffers_of_now() -> None:
    """A generator with BatchNorm is deployed with the statistics of training, not of the start."""
    module, _, z = module_and_batch()
    generator = nn.Sequential(nn.Linear(6, 64), nn.BatchNorm1d(64))
    small = LitGAN(generator, module.task, module.optim, module.gan).double()
    small(7 * z)
    small.follow()
    for kept, buffer in zip(small.average.buffers(), generator.buffers(), strict=True):
        assert torch.equal(kept, buffer)
    assert not torch.equal(small.average.get_buffer("1.running_var"), torch.ones(64, dtype=torch.float64))


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_one_optimiser_moves_both_networks(name: str) -> None:
    module, _, _ = module_and_batch(optim=OptimOptions(name, lr=0.25))
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    moved = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in moved} == {id(p) for p in (*module.net.parameters(), *module.critic.parameters())}
    assert all(group.get("betas", (0.0, 0.99)) == (0.0, 0.99) for group in optimizer.param_groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.75, 0.25]


def test_weight_decay_is_of_both_networks_weights_and_of_no_bias() -> None:
    module, _, _ = module_and_batch(optim=OptimOptions("adamw", weight_decay=0.1))
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for net in (module.net, module.critic):
        biases = [decay[id(p)] for name, p in net.named_parameters() if name.endswith("bias")]
        weights = [decay[id(p)] for name, p in net.named_parameters() if name.endswith("weight")]
        assert set(biases) == {0.0}
        assert set(weights) == {0.1}


def test_options_of_supervised_training_are_refused() -> None:
    for name, value in {"betas": [0.5, 0.9], "clip": 1.0, "ema": 0.9, "mixup": 0.1, "label_smoothing": 0.1}.items():
        with pytest.raises(ValueError, match=rf"^optim\.{name} is .*; allowed for models that generate pictures: "):
            module_and_batch(optim=OptimOptions(**{name: value}))
    with pytest.raises(ValueError, match=r"^task\.augment is 'crop'; allowed for models that generate .*: 'none'"):
        module_and_batch(task=TASK | {"augment": "crop"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two epochs that was never stopped."""
    folder = tmp_path_factory.mktemp("gan") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generation, "EPOCH", 1197)
        train(options(optim=SCHEDULED), folder)
    return RunFolder(folder)


@pytest.mark.parametrize("cut", [8])
def test_a_run_cut_at_any_step_goes_on_as_if_it_had_not_been(whole: RunFolder, tmp_path: Path, cut: int) -> None:
    training_step = LitGAN.training_step

    def failing(module: LitGAN, batch: Any, batch_idx: int) -> Any:
        if module.global_step == cut:
            raise RuntimeError("power cut")
        return training_step(module, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LitGAN, "training_step", failing)
        with pytest.raises(RuntimeError, match="power cut"):
            train(options(optim=SCHEDULED), tmp_path / "cut")
    train(options(optim=SCHEDULED), tmp_path / "cut", resume=True)
    assert_same_run(whole.path, tmp_path / "cut")
    assert whole.picture.read_bytes() == RunFolder(tmp_path / "cut").picture.read_bytes()


def test_resuming_a_finished_run_changes_nothing(whole: RunFolder) -> None:
    before = {p: p.read_bytes() for p in whole.path.glob("*.*") if p.name != "summary.json"}
    train(whole.options(), whole.path, resume=True)
    assert {p: p.read_bytes() for p in before} == before


def test_a_run_logs_losses_distances_and_the_generators_kernel(whole: RunFolder) -> None:
    rows = read_rows(whole.path)
    assert {"train/loss", "train/critic_loss", "val/frechet", "val/frechet_floor", "ntk/drift"} <= set(rows[0])
    assert "ntk/alignment" not in rows[0]
    assert {float(row["lr"]) for row in rows if row["lr"]} == {0.01 * rate_factor(SCHEDULED, 9, 12)}
    assert max(int(row["step"]) for row in rows) == 12
    chosen = options()
    torch.manual_seed(0)
    net, task = build(chosen)
    track = read_tensors(whole.kernel)
    assert "indices" not in track
    kernel = ntk(net.eval(), task.probe(3).x, outputs="trace")
    torch.testing.assert_close(track["kernel_first"], kernel, rtol=1e-4, atol=1e-4)


def test_a_finished_run_is_read_back_as_the_averaged_generator(whole: RunFolder) -> None:
    net, task, summary = load_run(whole.path)
    assert isinstance(task, GenerationTask)
    assert summary["features"] == "pixels"
    from hpnets.training import evaluate

    assert evaluate(net, task) == pytest.approx(summary["metrics"], rel=1e-6)
    with Image.open(whole.picture) as file:
        picture = np.asarray(file).transpose(2, 0, 1) / 255
    assert np.abs(picture - task.picture(net).detach().numpy()).max() < 0.51 / 255
    config = json.dumps(whole.options().to_dict())
    assert '"gan": {"latent": 6' in config


def test_nan_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    critic_loss = LitGAN.critic_loss

    def broken(module: LitGAN, *args: Any, **kwargs: Any) -> Tensor:
        return critic_loss(module, *args, **kwargs) * (torch.nan if module.global_step == 2 else 1)

    monkeypatch.setattr(LitGAN, "critic_loss", broken)
    with pytest.raises(NonFiniteError, match="the loss is nan at step 2; there is no checkpoint yet"):
        train(options(), tmp_path / "run")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"task": {"name": "line"}}, "task 'line' has no pictures to generate; allowed: tasks of square pictures"),
    ({"task": {"name": "image_fit"}}, "task 'image_fit' has no pictures to generate"),
    (
        {"trainer": TrainerOptions(1, 2, "cpu", "ddp")},
        "trainer.devices is 2; allowed for 'style_generator': 1",
    ),
    ({"model": {"name": "mlp"}}, "gan is .*; allowed for 'mlp', no generator: no change"),
    ({"model": {"name": "mlp"}, "gan": GANOptions(), "task": {"name": "generate"}}, "unknown task 'generate'"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_pairs_that_do_not_fit_are_refused_and_leave_nothing(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(options(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("latent", 0, "an integer >= 1"),
        ("r1", -1.0, "a finite number >= 0"),
        ("r1", float("inf"), "a finite number >= 0"),
        ("r1_every", 0, "an integer >= 1"),
        ("ema", 1.0, ">= 0 and < 1"),
        ("critic_width", 0, "an integer >= 1"),
    ],
)
def test_options_out_of_range_are_named(key: str, value: float, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"gan.{key} is {value}; allowed: {allowed}"):
        GANOptions(**{key: value})


@pytest.mark.slow
def test_training_brings_the_pictures_nearer_to_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of the shipped recipe, in the features of the shipped classifier."""
    from hpnets.zoo import features_for

    monkeypatch.setattr(generation, "EPOCH", 12_000)
    features = features_for("style_generator", "digits")
    trainer, off = TrainerOptions(max_epochs=4, accelerator="cpu"), NTKOptions(probe=3, every="off")
    chosen = RunOptions(model={"name": "style_generator"}, ntk=off, trainer=trainer, wandb="off")
    torch.manual_seed(0)
    net, task = build(chosen, features)
    assert isinstance(task, GenerationTask)
    untrained = task.distances(net.eval(), create_digits())["frechet"]
    trained = train(chosen, tmp_path / "run", features=features).results["metrics"]
    assert trained["test/frechet"] < untrained / 3
    assert trained["test/frechet_floor"] < trained["test/frechet"]


def create_digits() -> Any:
    """The test digits."""
    task = create_task("digits")
    task.setup()
    return task.test_set

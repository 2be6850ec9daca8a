"""Adversarial training: by hand, cut and resumed, and what an attack depends on."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.options import AdversarialOptions, NTKOptions, OptimOptions, RunOptions, TrainerOptions
from hpnets.tasks import create_task
from hpnets.tasks.kinds import ClassificationTask
from hpnets.training import LitModel, RunFolder, load_run, train
from hpnets.training.adversary import Adversary, make_adversary
from tests.training.runs import assert_same_run, read_rows, small_options, train_until

EPS = 0.1


def options(mix: str = "both", probe: str = "adversarial", **changes: object) -> RunOptions:
    trainer = TrainerOptions(max_epochs=1, accelerator="cpu", save_every=4)
    attacked = AdversarialOptions(EPS, 3, mix=mix, probe=probe)
    made = small_options(adversarial=attacked, trainer=trainer, ntk=NTKOptions(probe=10, every=5))
    return RunOptions(**{**vars(made), **changes})


def parts(name: str = "ccp") -> tuple[nn.Module, ClassificationTask, Adversary]:
    """The network of `small_options` as it is drawn, its task, and the attacks of `options`."""
    task = create_task("digits", batch_size=132)
    assert isinstance(task, ClassificationTask)
    task.setup()
    torch.manual_seed(0)
    net = create_model(name, input_shape=(1, 8, 8), output_dim=10, width=16)
    return net, task, Adversary(task, options().adversarial)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of clean and attacked steps that was never stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(options(), folder)
    return RunFolder(folder)


def test_a_cut_run_goes_on_between_a_clean_step_and_its_attacked_one(whole: RunFolder, tmp_path: Path) -> None:
    for step, every in ((9, 4), (8, 7)):
        cut = options(trainer=TrainerOptions(max_epochs=1, accelerator="cpu", save_every=every))
        train_until(step, cut, tmp_path / f"{step}")
        train(cut, tmp_path / f"{step}", resume=True)
        for name in ("model.safetensors", "metrics.csv", "ntk.safetensors"):
            assert (tmp_path / f"{step}" / name).read_bytes() == (whole.path / name).read_bytes()


def test_all_options_at_once_go_on_too(tmp_path: Path) -> None:
    """Attacks on mixed samples of soft labels, in steps of two batches, which are a clean one and its attacked one."""
    soft = OptimOptions("sgd", 0.05, clip=1.0, ema=0.8, mixup=0.4, label_smoothing=0.1)
    trainer = TrainerOptions(2, accelerator="cpu", accumulate_grad_batches=2, save_every=2)
    augmented = {"name": "digits", "batch_size": 132, "augment": "crop"}
    every = options(optim=soft, trainer=trainer, task=augmented)
    train(every, tmp_path / "whole")
    train_until(13, every, tmp_path / "cut")
    train(every, tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_the_logged_loss_is_that_of_a_plain_loop_over_clean_and_attacked_batches(whole: RunFolder) -> None:
    net, task, adversary = parts()
    net = create_model("ccp", input_shape=(1, 8, 8), output_dim=10, degree=3, width=16)
    net.load_state_dict(drawn())
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for k in range(5):
        x, y = list(task.train_dataloader())[k]
        for batch, attacked in ((2 * k, False), (2 * k + 1, True)):
            inputs = adversary.perturbed(net, x, y, 0, batch) if attacked else x
            loss = F.cross_entropy(net(inputs), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    logged = next(row for row in read_rows(whole.path) if row["train/loss"])
    assert logged["step"] == "9"
    assert float(logged["train/loss"]) == pytest.approx(loss.item(), rel=1e-4)


def drawn() -> dict[str, torch.Tensor]:
    """The weights that the run starts from."""
    torch.manual_seed(0)
    return create_model("ccp", input_shape=(1, 8, 8), output_dim=10, degree=3, width=16).state_dict()


def test_robust_accuracy_and_the_kernel_are_of_attacked_samples(whole: RunFolder) -> None:
    net, task, _ = load_run(whole.path)
    assert isinstance(task, ClassificationTask)
    adversary = Adversary(task, options().adversarial)
    x, y = task.val_set.batch(range(len(task.val_set)))
    expected = 1 - float(adversary.misclassified(net, x, y).double().mean())
    last = read_rows(whole.path)[-1]
    assert float(last["val/robust_accuracy"]) == pytest.approx(expected, abs=1e-6)
    assert 0 < expected < float(last["val/accuracy"]) - 0.05
    probe = task.probe(10)
    attacked = adversary.on_probe(probe.y)(net, probe.x)
    assert 0.2 < float((attacked - probe.x).abs().max()) <= EPS * float(task.box.high - task.box.low) + 1e-5
    kernel = read_tensors(whole.kernel)["kernel_last"]
    torch.testing.assert_close(kernel, ntk(net, attacked, outputs="trace"), rtol=1e-4, atol=1e-2)


def test_an_attack_is_a_function_of_seed_place_and_sample() -> None:
    """Ranks attack their rows as one process does; the network is left in its mode, and the random state as it was."""
    net, task, adversary = parts("resnet18")
    x, y = task.train_set.batch(range(12))
    net.train()
    state = torch.get_rng_state()
    first = adversary.perturbed(net, x, y, 1, 3)
    assert torch.equal(state, torch.get_rng_state())
    assert net.training
    assert int(net.bn1.num_batches_tracked) == 0
    for rank in range(3):
        own = adversary.perturbed(net, x[rank::3], y[rank::3], 1, 3)
        assert float((own - first[rank::3]).abs().mean()) < 1e-3
    other = Adversary(create_task("digits", seed=1), adversary.options)
    for attacks, place in ((adversary, (1, 4)), (adversary, (2, 3)), (other, (1, 3))):
        changed = attacks.perturbed(net, x, y, *place)
        assert float((changed - first).abs().mean()) > 0.01


def test_which_batches_are_attacked_and_how_often_each_comes() -> None:
    net, task, _ = parts()
    for mix, attacked in (("clean", []), ("adversarial", [0, 1, 2, 3]), ("both", [1, 3])):
        module = LitModel(net, task, adversarial=options(mix=mix).adversarial)
        assert module.adversary is not None
        assert [k for k in range(4) if module.adversary.is_due(k)] == attacked
        batches = [y.tolist() for _, y in task.train_dataloader()]
        assert len(batches) == len(task.train_dataloader()) == (18 if mix == "both" else 9)
        assert (batches[::2] == batches[1::2]) == (mix == "both")
    LitModel(net, task)
    assert len(task.train_dataloader()) == 9
    assert make_adversary(task, AdversarialOptions()) is None

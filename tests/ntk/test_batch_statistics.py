"""BatchNorm before data: what is estimated, of which layers, and that nothing else changes."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import estimated_statistics, ntk, statistics_remember_start
from hpnets.tasks import Task, create_task

BATCHES = list(torch.randn(3, 10, 4, generator=torch.Generator().manual_seed(0)) * 5 + 2)


class Odd(nn.Module):
    """Two BatchNorm layers, dropout in every form, one layer that forward does not reach, and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.linear, self.second = nn.BatchNorm1d(4), nn.Linear(4, 6), nn.BatchNorm1d(6)
        self.unused, self.drop, self.last = nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(6, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.count, self.seen = 0, list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        self.count += 1
        self.seen.append(x)
        h = self.second(self.linear(self.drop(self.first(x))))
        return self.last(nn.functional.dropout(torch.tanh(h), 0.1))  # draws in eval mode too


def test_statistics_are_the_means_over_the_batches() -> None:
    net = Odd()
    h = [net.linear((x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt()) for x in BATCHES]
    with estimated_statistics(net, iter(BATCHES)):
        for layer, inputs in ((net.first, BATCHES), (net.second, h)):
            torch.testing.assert_close(layer.running_mean, torch.stack([x.mean(0) for x in inputs]).mean(0))
            torch.testing.assert_close(layer.running_var, torch.stack([x.var(0) for x in inputs]).mean(0))


def snapshot(net: nn.Module) -> list[object]:
    """Everything of a net that a measurement could change, buffers as objects and as values."""
    buffers = [(id(b), b.tolist(), b._version) for b in net.buffers()]
    modes = [module.training for module in net.modules()]
    momenta = [m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    return [buffers, modes, momenta, torch.get_rng_state().tolist()]


def breaking() -> Iterator[Tensor]:
    yield BATCHES[0]
    raise RuntimeError("broken")


@pytest.mark.parametrize("training", [True, False])
def test_all_is_put_back(training: bool) -> None:
    net = Odd().train(training)
    net.drop.eval()
    net(BATCHES[0])
    before = snapshot(net)
    with estimated_statistics(net, BATCHES):
        assert snapshot(net)[1:] == before[1:]
        assert not torch.equal(net.first.running_var, torch.ones(4))
        net(BATCHES[1])
    with pytest.raises(RuntimeError, match="broken"), estimated_statistics(net, BATCHES):
        raise RuntimeError("broken")
    with pytest.raises(RuntimeError, match="broken"), estimated_statistics(net, breaking()):
        pass
    torch.manual_seed(0)
    before[3] = torch.get_rng_state().tolist()
    with estimated_statistics(net, BATCHES):
        pass
    assert snapshot(net) == before


class Writing(Odd):
    """It also writes to its samples."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.add_(1))


def test_what_forward_writes_to_the_network_and_its_samples_is_put_back() -> None:
    net, own = Writing(), [x.clone() for x in BATCHES]
    with estimated_statistics(net, own):
        assert (net.count, net.seen) == (0, [])
    assert all(map(torch.equal, own, BATCHES))


def test_a_kernel_can_be_taken_of_what_was_estimated_in_inference_mode() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2)).eval()
    with estimated_statistics(net, BATCHES):
        expected = ntk(net, BATCHES[0], outputs="trace")
    with torch.inference_mode(), estimated_statistics(net, BATCHES), torch.inference_mode(False), torch.enable_grad():
        assert torch.equal(ntk(net, BATCHES[0], outputs="trace"), expected)


def test_layers_whose_statistics_do_not_move_are_left_alone() -> None:
    net = Odd()
    net.unused.running_mean.fill_(7)
    net.first.eval()  # frozen: in eval mode in a net that trains
    net.first.running_mean.fill_(3)
    with estimated_statistics(net, BATCHES):
        assert net.unused.running_mean.tolist() == [7] * 3
        assert net.first.running_mean.tolist() == [3] * 4
        assert net.second.running_mean.abs().min() > 0
    net.train().first.momentum = net.unused.momentum = 0
    net.second.track_running_stats = False
    with estimated_statistics(net, []):
        assert net.first.running_mean.tolist() == [3] * 4
        assert net.second.running_mean.tolist() == [0] * 6
    net.eval().first.momentum = 0.1  # as a whole in eval mode: nothing says that it is frozen
    with estimated_statistics(net, BATCHES):
        assert net.first.running_mean.tolist() != [3] * 4


def test_no_batches_are_refused() -> None:
    with (
        pytest.raises(ValueError, match="batches is empty; allowed: at least one tensor"),
        estimated_statistics(Odd(), []),
    ):
        pass


@pytest.mark.parametrize(
    ("momentum", "steps", "remembers"),
    [(0.1, 0, True), (0.1, 65, True), (0.1, 66, False), (0.01, 600, True), (None, 10**6, True), (0.0, 0, False)],
)
def test_statistics_remember_their_start_for_a_while(momentum: float | None, steps: int, remembers: bool) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, momentum=momentum))
    net[1].num_batches_tracked.fill_(steps)
    for mode in (True, False):
        assert statistics_remember_start(net.train(mode)) == remembers


def test_nets_without_moving_statistics_remember_nothing() -> None:
    assert not statistics_remember_start(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.GroupNorm(1, 3)))
    assert not statistics_remember_start(nn.BatchNorm1d(3, track_running_stats=False))
    frozen = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3).eval())
    assert not statistics_remember_start(frozen)


@pytest.fixture(scope="module")
def digits() -> Task:
    task = create_task("digits", batch_size=64)
    task.setup()
    return task


WITH_BATCH_NORM = {  # by how much |K_0| moves, at the least, when BatchNorm's statistics become those of the data
    **{"starnet": 100, "dpolynet": 100, "resnet18": 50, "se_resnet": 10, "pdc": 10, "spade": 3, "pinet": 3},
    **{"rpolynet": 3, "quadratic": 2, "cnn": 1, "film": 1, "van": 1},
}


@pytest.mark.parametrize("name", WITH_BATCH_NORM)
def test_the_kernel_at_the_start_is_that_after_a_pass_of_data(name: str, digits: Task) -> None:
    """The same weights, and no step: only what BatchNorm divides by differs."""
    torch.manual_seed(0)
    narrow = {"width": 16} if name == "resnet18" else {}  # 64 wide it takes ten seconds
    net = create_model(name, input_shape=digits.input_shape, output_dim=10, **narrow)
    probe, rows = digits.probe(10).x, len(digits.train_set)
    with estimated_statistics(net, digits.train_set.batch(range(512))[0].split(64)):
        ours = ntk(net.eval(), probe, outputs="trace").norm()
    young = ntk(net.eval(), probe, outputs="trace").norm()
    net.train()
    with torch.no_grad():
        for part in torch.randperm(rows).repeat(5)[: rows * 5 // 64 * 64].split(64):
            net(digits.train_set.batch(part)[0])  # until the start is forgotten
    passed = ntk(net.eval(), probe, outputs="trace").norm()
    assert 2 / 3 < ours / passed < 3 / 2
    assert max(young / passed, passed / young) >= WITH_BATCH_NORM[name]

"""Training on attacked images, as the studies have it: the steps it takes, and what frozen kernels start from."""

import copy

import pytest
import torch

from hpnets.ntk import linearize
from hpnets.papers.parts.attacked_training import (
    ATTACKED,
    BATCH,
    CLEAN,
    accuracies,
    draw,
    images,
    kernel,
    moved,
    on_frozen,
    training,
)

EPS = 0.15


def test_images_are_drawn_by_the_seed_in_the_box_of_their_data() -> None:
    one, again, other = (images("digits", 4, 40, 10, seed, "cpu") for seed in (0, 0, 1))
    assert one.train[0].shape == (40, 1, 4, 4)
    assert one.test[0].shape == (10, 1, 4, 4)
    assert torch.equal(one.train[0], again.train[0])
    assert not torch.equal(one.train[0], other.train[0])
    assert float(one.box.low.max()) <= float(one.train[0].min())
    assert float(one.train[0].max()) <= float(one.box.high.min())


def test_an_attacked_batch_follows_its_clean_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many steps, of which each second one has inputs of the other's labels, moved within eps."""
    data, seen = images("digits", 8, BATCH + 10, 10, 0, "cpu"), list[tuple[torch.Tensor, torch.Tensor]]()
    monkeypatch.setattr("hpnets.papers.parts.attacked_training._step", lambda net, optimizer, x, y: seen.append((x, y)))
    counts = {}
    for on in (CLEAN, ATTACKED):
        seen.clear()
        assert list(training(draw("mlp", 8, 0, "cpu"), data, on, EPS, 1e-3, 2, 0)) == [0, 1, 2]
        counts[on] = len(seen)
    assert counts == {CLEAN: 4, ATTACKED: 8}
    for (x, y), (worse, same) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(y, same)
        assert 0 < float((x - worse).abs().max()) <= EPS * float((data.box.high - data.box.low).max()) + 1e-5


def test_attacked_training_makes_robust() -> None:
    data, robust = images("digits", 8, 500, 100, 0, "cpu"), {}
    for on in (CLEAN, ATTACKED):
        net = draw("mlp", 8, 0, "cpu")
        for _ in training(net, data, on, EPS, 3e-3, 12, 0):
            pass
        robust[on] = accuracies(net, data.test, data.box, EPS)["robust"]
    assert robust[ATTACKED] > robust[CLEAN] + 0.2


@pytest.mark.parametrize("network", ["conv", "starnet-sum"])
def test_a_frozen_kernel_is_that_of_the_network_as_it_is(network: str) -> None:
    """Also while BatchNorm's statistics remember their start; the network itself is left as it was."""
    data = images("digits", 8, 24, 8, 0, "cpu")
    net = draw(network, 8, 0, "cpu")
    before, K = copy.deepcopy(net.state_dict()), kernel(net, data)
    made = on_frozen(net, data, EPS, 1, 0, ("centred/clean",))
    assert made["gap"] < 1e-5
    assert set(made) == {"gap", "centred/clean"}
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert moved(K, K, data)["c-distance"] == 0
    if network == "conv":
        line = linearize(net, centred=True)
        torch.testing.assert_close(kernel(line, data), K, rtol=1e-4, atol=1e-3)

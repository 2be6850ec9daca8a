"""Pairs of classes as data, and networks that are trained on them."""

import copy

import pytest
import torch

from hpnets.ntk import ntk
from hpnets.ntk.metrics import elasticity
from hpnets.papers.parts.elastic_nets import drawn, elasticities, scores, shown, train
from hpnets.papers.parts.hierarchy_runs import flow
from hpnets.papers.parts.image_pairs import Part, image_pair
from hpnets.tasks import create_task


def test_a_pair_holds_its_classes_in_halves_without_overlap() -> None:
    task = create_task("digits")
    task.setup()
    x, y = task.train_set.batch(range(len(task.train_set)))
    train_part, validation, test = image_pair("digits 3-8", (40, 20, 1000), 0)
    for part, n in ((train_part, 40), (validation, 20)):
        assert part.labels.tolist().count(0) == part.labels.tolist().count(1) == n // 2
    assert len(test.x) < 100, "cut to what there is"
    for image, label in zip(train_part.x, train_part.labels, strict=True):
        rows = [i for i, other in enumerate(x) if torch.equal(image, other)]
        assert y[rows[0]] == (8 if label else 3)
    assert len(train_part.x.flatten(1).unique(dim=0)) == 40
    assert train_part.y[:, 0].tolist() == [2 * label - 1 for label in train_part.labels.tolist()]
    again, other = image_pair("digits 3-8", (40, 20, 20), 0)[0], image_pair("digits 3-8", (40, 20, 20), 1)[0]
    assert torch.equal(again.x, train_part.x)
    assert not torch.equal(other.x, train_part.x)
    small = image_pair("digits 3-8", (40, 20, 20), 0, side=4)[0].x
    torch.testing.assert_close(small[:, :, 0, 0], train_part.x[:, :, :2, :2].mean((2, 3)))
    for wrong in ("digits", "digits 3", "digits 3-3", "digits a-b"):
        with pytest.raises(ValueError, match="a task and two of its classes, such as 'digits 3-8'"):
            image_pair(wrong, (4, 4, 4), 0)


def test_a_network_learns_a_pair_and_its_twin_starts_where_it_does() -> None:
    train_part, _, test = image_pair("digits 3-8", (120, 20, 40), 0)
    net, twin = (drawn(name, (1, 8, 8), 0) for name in ("ccp", "ccp-sum"))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))
    train(net, train_part, 3e-3, 30, 0)
    assert scores(net, train_part)[1] > 0.95
    made, K = elasticities(net, train_part.x, test, 10), ntk(copy.deepcopy(net).double(), test.x.double(), outputs=0)
    assert made["kernel"] == shown(elasticity(K, test.labels))
    assert 0 < made["step"]["ratio"] < 1
    with torch.no_grad():
        next(net.parameters()).fill_(torch.nan)
    assert scores(net, test) == (float("inf"), 0.0)


def test_what_is_shown_of_elasticity() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    same = (labels[:, None] == labels).double()
    assert shown(elasticity(0.75 * same + 0.25, labels)) == {
        **{"same": 1, "different": 0.25, "apart": 0.75},
        **{"ratio": 0.8, "cut": 0.8},
    }
    beyond = shown(elasticity(1.5 * same - 0.5, labels))
    assert (beyond["ratio"], beyond["cut"]) == (2, 1)


def test_descent_ends_at_its_targets_and_leaves_the_network() -> None:
    part = image_pair("digits 3-8", (6, 2, 2), 0)[0]
    part = Part(part.x.double(), part.labels)
    net = drawn("tanh", (1, 8, 8), 0, width=32).double()
    start = copy.deepcopy(net)
    moved, steps = flow(net, part.x, part.y.double(), 1e-3)
    assert 10 < steps < 20_000
    torch.testing.assert_close(moved(part.x) - net(part.x), part.y.double(), atol=0.02, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), start.parameters(), strict=True))

"""Kernels in parts of the parameters, where gradients of all of them at once exceed the memory."""

import contextlib
import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from hpnets.ntk import ntk, plan, split_kernel
from hpnets.ntk._parts import split_terms
from tests.ntk.oracle import dense_kernel, relative, select

MEMORY = "30MiB"


class Normed(nn.Module):
    """Weights with norms of their own, whose gradients are formed; a frozen parameter, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [weight_norm(nn.Conv2d(i, 64, 3, padding=1)) for i in (4, 64, 64)]
        layers = [layer for conv in convolutions for layer in (conv, nn.Tanh())]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), weight_norm(nn.Linear(64, 64)))
        self.gain, self.unused, self.out = nn.Parameter(torch.rand(64)), nn.Parameter(torch.ones(3)), nn.Linear(64, 4)
        convolutions[0].bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.body(x)) * self.gain)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Normed().double()


@pytest.fixture(scope="module")
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(16, 4, 6, 6, dtype=torch.float64)


@pytest.mark.parametrize("verify", ["always", "off"])
@pytest.mark.parametrize("algorithm", ["structured", "loop"])
@pytest.mark.parametrize("outputs", ["full", "trace", 2])
def test_parts_add_up(net: nn.Module, x: Tensor, outputs: str | int, algorithm: str, verify: str) -> None:
    options = {"outputs": outputs, "algorithm": algorithm, "memory": MEMORY}
    truth = select(dense_kernel(net, x), outputs)
    if outputs != 2:
        assert len(plan(net, x, **options).parts) > 1
        assert "parts" in str(plan(net, x, **options))
    assert relative(ntk(net, x, verify=verify, **options), truth) < 1e-10
    assert relative(ntk(net, x[:4], x[2:], verify=verify, **options), truth[:4, 2:]) < 1e-10


@pytest.mark.parametrize("memory", ["24MiB", MEMORY, "60MiB", "1GiB"])
@pytest.mark.parametrize("outputs", ["full", "trace"])
def test_the_automatic_plan_is_the_quickest_of_all(net: nn.Module, x: Tensor, outputs: str, memory: str) -> None:
    """Also where not all algorithms are tried in parts."""
    seconds = []
    for algorithm in ("structured", "jacobian", "loop"):
        with contextlib.suppress(ValueError):  # it does not fit
            seconds.append(plan(net, x, outputs=outputs, memory=memory, algorithm=algorithm).seconds)
    assert plan(net, x, outputs=outputs, memory=memory).seconds == min(seconds)


class Centred(Normed):
    """The mean of centred outputs of Normed: what its weights do is rounding, what the layers after it do is not."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.last = nn.LayerNorm(64, eps=1e-12), nn.Linear(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x) * self.gain / 1e3
        return self.last(self.norm(h).mean(1, keepdim=True))


def test_a_part_may_be_rounding_beside_the_others(x: Tensor) -> None:
    torch.manual_seed(0)
    net = Centred().double()
    parts = plan(net, x, outputs="full", memory=MEMORY).parts
    assert any(all(entry.name.startswith("body") for entry in part.parameters) for part in parts)
    assert relative(ntk(net, x, outputs="full", memory=MEMORY), dense_kernel(net, x)) < 1e-10


def test_a_given_plan_has_its_parts_at_given_values(net: nn.Module, x: Tensor) -> None:
    made = plan(net, x, outputs="trace", memory=MEMORY)
    values = {name: 1.1 * p.detach() for name, p in net.named_parameters() if p.requires_grad}
    before = {name: p.clone() for name, p in net.named_parameters()}
    kernel = ntk(net, x, plan=made, params=values, verify="first")
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    other = Normed().double()
    other.load_state_dict({**net.state_dict(), **values})
    assert relative(kernel, select(dense_kernel(other, x), "trace")) < 1e-10
    assert set(values) - {"unused"} <= set().union(*(names for part in made.parts for names in part.proven.values()))
    whole = dataclasses.replace(made, parts=())
    assert relative(ntk(net, x, plan=whole, params=values), kernel) < 1e-10


def test_every_parameter_is_in_one_part(net: nn.Module, x: Tensor) -> None:
    made = plan(net, x, outputs="full", memory=MEMORY)
    names = [entry.name for part in made.parts for entry in part.parameters]
    assert sorted(names) == sorted(entry.name for entry in made.parameters)
    assert made.peak_bytes <= 30 * 2**20
    assert max(part.peak_bytes for part in made.parts) + made.kernel_bytes < made.peak_bytes
    assert split_kernel(net, x, plan(net, x, outputs="full", memory=MEMORY, blocks={}), {}) is None


def test_the_shares_of_parts_are_about_even(net: nn.Module, x: Tensor) -> None:
    terms = plan(net, x, outputs="full", algorithm="jacobian").terms
    whole = sum(terms[0].state_numels(1, 4))
    largest = 4 * max(p.numel() for p in net.parameters())
    assert split_terms(terms, 1, 4) == [terms]
    for count in (2, 3, 100):
        groups = split_terms(terms, count, 4)
        assert 1 < len(groups) <= min(count, len(terms[0].names))
        assert [name for group in groups for term in group for name in term.names] == list(terms[0].names)
        sizes = [sum(sum(term.state_numels(1, 4)) for term in group) for group in groups]
        assert max(sizes) <= whole / count + largest

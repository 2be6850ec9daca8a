"""The proof sees what is wrong: gradients that are compared by random sums of rows, and rows of the kernel."""

from collections import Counter
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.ntk import _proof, ntk, plan
from hpnets.ntk._entries import Row, made_row
from hpnets.ntk._failures import DisprovenError
from hpnets.ntk._mixing import draw_mixes, mixed
from hpnets.ntk._output_selection import select_outputs
from hpnets.ntk._plan import StalePlanError
from hpnets.ntk._products import prove_product_kernel
from hpnets.ntk._rules.conv import ConvRule
from hpnets.ntk._structured import TermWork
from hpnets.ntk._terms import Positions, Term, base
from hpnets.ntk._terms.gram import Dense
from tests.ntk.odd_truth import REFUSED
from tests.ntk.oracle import dense_jacobian, relative
from tests.odd_modules import ODD_MODULES


class Shared(nn.Module):
    """A convolution with groups that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(12, 12, 3, padding=1, groups=3), nn.Linear(48, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.conv(torch.tanh(self.conv(x)))).flatten(1))


ROWS: Counter[str] = Counter()


class Counted(nn.Module):
    """A network that counts the rows of its passes, outside of itself, since what it stores is put back."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        y = self.net(x)
        ROWS["forward"] += len(x)
        if y.requires_grad:
            y.register_hook(lambda g: ROWS.update(backward=len(g)))
        return y


def large_conv() -> tuple[nn.Module, Tensor]:
    """A network whose first weight is compared by random sums of its rows."""
    net = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(512, 3))
    return net, torch.randn(6, 64, 2, 2)


def states_of(net: nn.Module, x: Tensor, contraction: str) -> tuple[TermWork, list[dict[str, Tensor]]]:
    """The states of a term of positions for the network's convolution, and the work that they are of."""
    made = plan(net, x, outputs="full", algorithm="structured")
    theta = {name: p.detach() for name, p in net.named_parameters()}
    layers = {layer.names[0]: layer for term in made.terms for layer in term.layers}
    terms = (Positions((replace(layers["conv.weight"], parameters=(("weight", "conv.weight"),)),), contraction),)
    work = TermWork(net, theta, made.problem.selection, terms, made.schedule)
    return work, work.factors(x, None, True, (x,)).states


@pytest.mark.parametrize("contraction", ["chunks", "sandwich"])
def test_random_sums_of_a_gradients_rows(contraction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MIXABLE", 4)
    net, x = Shared().double(), torch.randn(5, 12, 2, 2, dtype=torch.float64)
    work, states = states_of(net, x, contraction)
    u = torch.randn(5, 2, dtype=torch.float64)
    mixes = draw_mixes(work.terms, work.params)
    J = dense_jacobian(net, x)[:, :, : net.conv.weight.numel()]
    gradient = torch.einsum("no,nop->p", u, J).view_as(net.conv.weight)
    summed = work.terms[0].pulled(states[0], work.terms[0].summed(states[0], u), mixes)["conv.weight"]
    assert list(mixes) == ["conv.weight"]
    assert relative(summed, (mixes["conv.weight"] @ gradient.flatten(1)).flatten()) < 1e-12
    for g in (gradient, gradient.contiguous(memory_format=torch.channels_last)):
        assert relative(mixed(mixes["conv.weight"], g), summed) < 1e-12


@pytest.mark.parametrize("model", ["mlp", "ccp"])
def test_random_sums_and_rows_of_dense_layers(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense layers give M g and the row of a sample by their factors, as their gradients do."""
    monkeypatch.setattr(base, "MIXABLE", 4)
    net = create_model(model, input_shape=(5,), output_dim=4, width=6).double()
    x, u = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    made = plan(net, x, outputs="full", algorithm="structured")
    theta = {name: p.detach() for name, p in net.named_parameters()}
    work = TermWork(net, theta, made.problem.selection, made.terms, made.schedule)
    mixes = draw_mixes(made.terms, theta)
    assert {*mixes} == {name for name, p in theta.items() if p.ndim == 2}
    for term, state in zip(made.terms, work.factors(x, None, True, (x,)).states, strict=True):
        assert isinstance(term, Dense)
        Gu, gradients = term.summed(state, u), term.pull(state, u)
        for name, own in term.pulled(state, Gu, mixes).items():
            g = gradients[name]
            right = (mixes[name] @ g.view_as(theta[name])).flatten() if name in mixes else g
            assert relative(own, right) < 1e-12
        by_gradients = Term.row(term, state, u, 1, Gu, gradients)
        assert relative(term.row(state, u, 1, Gu, {}), by_gradients) < 1e-12


def test_a_large_weights_wrong_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of a tenth in one of 576 inputs, which the sums of rows keep apart."""
    net, x = large_conv()
    made = plan(net, x, outputs="full", algorithm="structured")
    theta = {name: p.detach() for name, p in net.named_parameters()}
    assert list(draw_mixes(made.terms, theta)) == ["0.weight"]
    right = ConvRule.prepare

    def wrong(self: ConvRule, module: nn.Module, A: Tensor) -> Tensor:
        P = right(self, module, A).clone()
        P[..., 7] *= 1.1
        return P

    assert relative(ntk(net, x, plan=made), ntk(net, x, outputs="full", algorithm="jacobian")) < 1e-5
    monkeypatch.setattr(ConvRule, "prepare", wrong)
    for _ in range(5):
        with pytest.raises(StalePlanError, match=r"of 0\.weight what"):
            ntk(net, x, plan=made)


def row_of(n: int) -> tuple[Row, Tensor]:
    """A row, and the kernel (C, n, C, n) that it is of."""
    net, x = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double(), torch.randn(n, 4, dtype=torch.float64)
    made = plan(net, x, outputs="full", algorithm="structured")
    theta = {name: p.detach() for name, p in net.named_parameters()}
    work = TermWork(net, theta, made.problem.selection, made.terms, made.schedule)
    states, u = work.factors(x, None, True, (x,)).states, torch.randn(n, 3, dtype=torch.float64)
    a, each = int(torch.randint(n, ())), list(zip(work.terms, states, strict=True))
    products = [term.row(s, u, a, term.summed(s, u), term.pull(s, u)) for term, s in each]
    norm = float(torch.cat([g for term, s in each for g in term.pull(s, u).values()]).norm())
    k = ntk(net, x, outputs="full").permute(2, 0, 3, 1).contiguous()
    return made_row(states, u, a, products, norm), k


@pytest.mark.parametrize("n", [2, 3, 9])
def test_a_row_is_right_or_wrong(n: int) -> None:
    for _ in range(5):
        row, k = row_of(n)
        a, b = row.a, row.b
        assert not row.is_wrong(k)
        assert row.is_wrong(2 * k)
        for rows, columns in ((a, b), (b, a)):  # one half of a symmetric kernel, which the other is copied from
            skewed = k.clone()
            skewed[:, rows, :, columns] += k[:, a, :, a]
            assert row.is_wrong(skewed)
        elsewhere = k.clone()
        others = [i for i in range(n) if i not in (a, b)]
        elsewhere[:, others] *= 2
        elsewhere[:, :, :, others] *= 2
        assert not others or row.is_wrong(elsewhere)


@pytest.mark.parametrize("outputs", ["full", "trace", (0, 2), 1, "sum"])
def test_a_wrong_contraction_is_seen(outputs: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its factors are right; of every selection but the trace a row is proven."""
    net, x = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), torch.randn(9, 4)
    made, right = plan(net, x, outputs=outputs, algorithm="structured"), Dense.input_gram
    ntk(net, x, plan=made)
    monkeypatch.setattr(Dense, "input_gram", lambda *args: 2 * right(*args))
    for _ in range(5):
        with pytest.raises(StalePlanError):
            ntk(net, x, plan=made)


@pytest.mark.parametrize("model", ["ccp", "resnet18"])
def test_the_proof_of_one_output_is_a_forward_and_a_backward_pass(model: str) -> None:
    """Over the samples, each once, beside those of the kernel itself."""
    shape = (5,) if model == "ccp" else (3, 8, 8)
    net = create_model(model, input_shape=shape, output_dim=3, width=8).double()
    counted = Counted(net).eval()

    def rows(verify: Literal["always", "off"]) -> Counter[str]:
        ROWS.clear()
        ntk(counted, torch.randn(12, *shape, dtype=torch.float64), outputs=0, verify=verify)
        return ROWS.copy()

    rows("always")  # the plan is made, which takes passes of its own
    rows("off")
    assert rows("always") - rows("off") == {"forward": 12, "backward": 12}


@pytest.mark.parametrize("with_x2", [False, True])
def test_a_wrong_kernel_by_products_is_never_missed(with_x2: bool) -> None:
    """One pair of random vectors would miss such a fault in one of a hundred calls."""
    net, x1 = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), torch.randn(5, 4)
    x2 = torch.randn(3, 4) if with_x2 else None
    theta, selection = {name: p.detach() for name, p in net.named_parameters()}, select_outputs("full", 3, x1)
    k = ntk(net, x1, x2, outputs="full").permute(2, 0, 3, 1).contiguous()
    wrong = k + 17 * k.abs().mean() * torch.randn_like(k)
    for _ in range(150):
        prove_product_kernel(net, theta, x1, x2, selection, k, 5)
        with pytest.raises(DisprovenError):
            prove_product_kernel(net, theta, x1, x2, selection, wrong, 5)


class Workspace(nn.Module):
    """A network that writes its input to memory of its own, where the next forward pass writes too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(4, 6), nn.Linear(6, 2)
        self.memory = [torch.zeros(64, 4, dtype=torch.float64)]

    def forward(self, x: Tensor) -> Tensor:
        own = self.memory[0][: len(x)]
        own.copy_(x)
        return self.out(torch.tanh(self.first(own)))


def test_a_backward_pass_may_read_what_the_next_forward_pass_writes() -> None:
    """Batches of the proof share a backward pass where they can; here they cannot."""
    net, x = Workspace().double(), torch.randn(12, 4, dtype=torch.float64)
    J = dense_jacobian(net, x)
    assert relative(ntk(net, x, outputs="full", algorithm="structured"), torch.einsum("aop,bqp->aboq", J, J)) < 1e-10


COUPLED = [name for name in REFUSED if ODD_MODULES[name].make.__module__.endswith("coupled")]


@pytest.mark.parametrize("name", [name for name in COUPLED if not ODD_MODULES[name].train])
@pytest.mark.parametrize("chunk", [4, 12])
def test_coupling_is_seen_beside_more_samples_than_before(
    name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof's pass takes all samples at once where those of the kernel take fewer and weights are large."""
    monkeypatch.setattr(_proof, "LARGE", 1)
    module = ODD_MODULES[name]
    torch.manual_seed(chunk)
    x = torch.randn(24, *module.shape, dtype=torch.float64)
    net = module.net()

    def kernel() -> Tensor:
        made = plan(net, x, outputs="full", algorithm="jacobian")
        return ntk(net, x, plan=replace(made, schedule=replace(made.schedule, tile=24, chunk=chunk, proof=24)))

    with pytest.raises(ValueError, match=f"{module.refused}|call ntk without a plan"):
        kernel()

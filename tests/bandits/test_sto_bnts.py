"""Sample-then-optimise: draws of the posterior by networks, exactly, by descent, and their distribution."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from hpnets.bandits import STOBNTS, Box, Surrogate, Training, sample_paths
from hpnets.bandits.surrogate import Variant
from hpnets.kernels import GaussianProcess
from hpnets.models import create_model
from hpnets.ntk import ntk
from hpnets.theory import limit_kernel

G = torch.Generator().manual_seed(0)
X, NEW = (torch.nn.functional.normalize(torch.randn(n, 3, generator=G)) for n in (12, 20))
Y = torch.randn(12, generator=G, dtype=torch.float64)


def make(name: str = "pnn_skip", **options: object) -> nn.Module:
    base = {"degree": 2, "width": 64} if name == "pnn_skip" else {"parametrisation": "ntk", "width": 32}
    return create_model(name, input_shape=(3,), output_dim=1, **{**base, **options})


NETS: dict[str, Callable[[], nn.Module]] = {
    "pnn_skip": make,
    "ccp": partial(make, "ccp", degree=2),
    "mlp": partial(make, "mlp", depth=2, bias=False),
    "mlp with biases": partial(make, "mlp", depth=2),
}


def paths(surrogate: Surrogate, count: int, seed: int = 0, noise: float = 0.1, **options: object) -> Tensor:
    generator, training = torch.Generator().manual_seed(seed), Training(**options)
    return sample_paths(surrogate, X, Y, NEW, count, generator, noise=noise, training=training)


@pytest.mark.parametrize("name", NETS)
def test_a_path_is_kernel_regression_with_the_networks_own_kernel(name: str) -> None:
    """f = f_0 + T_0(x, X) (T_0 + s^2)^-1 (y + s e - f_0(X)), each part made apart, by the kernel engine."""
    surrogate = Surrogate(NETS[name])
    path = paths(surrogate, 1)[0]
    generator = torch.Generator().manual_seed(0)
    e = torch.randn(1, 12, generator=generator, dtype=torch.float64)[0]
    seeds = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
    members = surrogate.draw(1, seeds)
    net = NETS[name]()
    for key, p in net.named_parameters():
        p.data = members.theta[key][0] if key in surrogate.drawn else p.data
    params = {key: p.detach() for key, p in net.named_parameters() if key in surrogate.drawn}
    T = ntk(net, torch.cat([X, NEW]), outputs="trace", params=params).double()
    f_0 = surrogate.prior(members, torch.cat([X, NEW]))[0].double()
    right = Y + 0.1 * e - f_0[:12]
    truth = f_0[12:] + T[12:, :12] @ torch.linalg.solve(T[:12, :12] + 0.01 * torch.eye(12), right)
    torch.testing.assert_close(path, truth, rtol=0, atol=2e-3)


def test_descent_reaches_the_exact_solution() -> None:
    surrogate = Surrogate(make)
    exact = paths(surrogate, 3, noise=0.5)
    for steps, gap in ((3, 0.05), (400, 1e-4)):
        off = float((paths(surrogate, 3, noise=0.5, solver="descent", steps=steps) - exact).abs().max())
        assert (off < gap) == (steps == 400)


def test_a_wide_network_trained_is_near_its_linear_variant() -> None:
    gaps = []
    for width in (32, 2048):
        surrogate = Surrogate(partial(make, width=width))
        network = paths(surrogate, 2, noise=0.5, variant="network", solver="descent", steps=200)
        gaps.append(float((network - paths(surrogate, 2, noise=0.5)).norm()))
    assert gaps[1] < 0.35 * gaps[0]


def test_paths_are_distributed_as_the_posterior_of_the_limit() -> None:
    """Mean and covariance within 1.5 times what 400 draws leave to chance; without target noise far outside."""
    drawn, count, beta = Surrogate(partial(make, width=1024)), 400, 2.0
    f = paths(drawn, count, noise=2.0, beta=beta)
    gp = GaussianProcess(lambda a, b: limit_kernel(make(), a, b).ntk, Y[:, None], X, noise=2.0).predict(NEW)
    C = beta**2 * gp.covariance
    floor = ((1 + float(C.trace()) ** 2 / float(C.norm()) ** 2) / count) ** 0.5
    assert float((torch.cov(f.T) - C).norm() / C.norm()) < 1.5 * floor
    assert float((f.mean(0) - gp.mean[:, 0]).norm()) < 1.5 * (float(C.trace()) / count) ** 0.5
    narrow = torch.cov(paths(drawn, count, noise=2.0, beta=beta, target_noise=False).T)
    assert float((narrow - C).norm() / C.norm()) > 2 * floor


def test_the_prior_is_the_ntk_only_without_the_read_outs_share() -> None:
    surrogate, count = Surrogate(partial(make, width=256)), 1500
    T, S = (getattr(limit_kernel(make(), NEW), part) for part in ("ntk", "covariance"))
    for keep, prior in ((False, T), (True, T + S)):
        members = surrogate.draw(count, torch.Generator().manual_seed(0), keep_readout=keep)
        C = torch.cov(surrogate.prior(members, NEW).double().T)
        assert float((C - prior).norm() / prior.norm()) < 0.12
    assert float(S.norm() / T.norm()) > 0.3


def test_batches_are_members_of_their_own_whatever_fits_at_once() -> None:
    surrogate = Surrogate(make)
    whole = paths(surrogate, 5)
    assert len({tuple(path.tolist()) for path in whole}) == 5
    given = (surrogate, X, Y, NEW, 5, torch.Generator().manual_seed(0))
    parts = sample_paths(*given, noise=0.1, memory="150kB")
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-4)
    double = sample_paths(surrogate, X.double(), Y, NEW.double(), 5, torch.Generator().manual_seed(0), noise=0.1)
    torch.testing.assert_close(double, whole, rtol=0, atol=1e-4)


@pytest.mark.parametrize("variant", ["linear", "network"])
def test_a_state_goes_on_bit_by_bit(variant: Variant) -> None:
    def run(opt: STOBNTS, steps: int) -> list[Tensor]:
        proposed = []
        for _ in range(steps):
            proposed.append(opt.propose(NEW, 2))
            opt.observe(proposed[-1], proposed[-1].sum(1))
        return [*proposed, opt.propose(Box(-torch.ones(3), torch.ones(3), points=16))]

    def new(seed: int) -> STOBNTS:
        return STOBNTS(make, 0.1, variant, steps=5, seed=seed)

    whole, first, second = new(3), new(3), new(7)
    straight = run(whole, 4)
    run(first, 2)
    before = new(3)
    for x in straight[:2]:
        torch.testing.assert_close(before.propose(NEW, 2), x, rtol=0, atol=0)
        before.observe(x, x.sum(1))
    state = {key: value.clone() for key, value in before.state_dict().items()}
    second.load_state_dict(state)
    for a, b in zip(run(second, 2), straight[2:], strict=True):
        assert torch.equal(a, b)


class Squashed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.W = nn.Linear(3, 8)
        nn.init.normal_(self.W.weight)
        nn.init.normal_(self.W.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.W(x).tanh().sum(1, keepdim=True)


class Gated(nn.Module):
    """A gate under no_grad, which forward mode takes for a function of the parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.W, self.out = nn.Linear(3, 64, bias=False), nn.Linear(64, 1, bias=False)
        for p in self.parameters():
            nn.init.normal_(p)

    def forward(self, x: Tensor) -> Tensor:
        h = self.W(x)
        with torch.no_grad():
            gate = h.sigmoid()
        return self.out(h * gate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"make_net": partial(make, "mlp", parametrisation="standard")},
            "the draw of W.1.weight is .*mean square 0.0",
        ),
        ({"make_net": partial(nn.Flatten)}, "networks with parameters that are drawn at random"),
        ({"noise": -1.0}, "noise is -1.0; allowed: a finite number >= 0"),
        ({"variant": "dual"}, "variant is 'dual'"),
        ({"variant": "network", "solver": "exact"}, "solver is 'exact'; allowed: 'descent' for variant 'network'"),
        ({"steps": 0}, "steps is 0"),
        ({"lr": 0.0}, "lr is 0.0; allowed: a finite number > 0"),
        ({"beta": 0.0}, "beta is 0.0"),
        ({"target_noise": 1}, "target_noise is 1; allowed: true or false"),
    ],
)
def test_bad_arguments(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STOBNTS(**{"make_net": make, "noise": 0.1, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"make_net": partial(create_model, "pnn", input_shape=(3,), output_dim=2)}, "the network's outputs is"),
        ({"make_net": Squashed}, "the read-out is 'W.weight, W.bias'; allowed: a last linear layer"),
        ({"make_net": Gated}, "the network is 'Gated'; allowed: one whose derivatives torch.func has"),
        (
            {"memory": "1kB"},
            "gradients of 448 parameters at 4 observations .* allowed: more memory, a nar",
        ),
        (
            {"make_net": partial(make, width=1), "noise": 0.0, "x": NEW},
            "the kernel of these 20 observations is sing",
        ),
    ],
)
def test_what_only_points_show(change: dict, message: str) -> None:
    x = change.pop("x", NEW[:4])
    opt = STOBNTS(**{"make_net": make, "noise": 0.1, **change})
    opt.observe(x, x.sum(1))
    with pytest.raises(ValueError, match=message):
        opt.propose(NEW)

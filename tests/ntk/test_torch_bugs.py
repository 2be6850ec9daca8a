"""torch's own faults that the kernel engine goes around: each is still there, or its detour can go."""

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jacfwd, jacrev, jvp, vmap

from hpnets.ntk import UnprovenWarning, ntk
from hpnets.ntk._mended import AsReverseMode, Mended
from tests.ntk.oracle import dense_jacobian, dense_kernel, relative


def is_mended(what: str, detour: str) -> str:
    """The message of a test that fails because torch no longer does."""
    return f"torch {torch.__version__} is right on {what}: {detour} can go, and this test with it"


NORMS = {
    "BatchNorm2d": lambda: nn.BatchNorm2d(4),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
}
AFTER: dict[str, Callable[[Tensor], Tensor]] = {
    "LayerNorm": lambda h: F.layer_norm(h, (4,)),
    "product": lambda h: h * h.roll(1, 1),
}


class Tokens(nn.Module):
    """A norm in eval mode, flattened to tokens, then something whose backward is not in the norm's layout."""

    def __init__(self, norm: nn.Module, after: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.c, self.norm, self.after, self.out = nn.Conv2d(2, 4, 3, padding=1), norm, after, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.after(self.norm(self.c(x)).flatten(2).transpose(1, 2)).tanh().square().mean(1))


class Affine(nn.Module):
    """What a norm of unit statistics does in eval mode, by a product and a sum."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.weight, self.bias = norm.get_parameter("weight"), norm.get_parameter("bias")

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.weight / (1 + 1e-5) ** 0.5)[:, None, None] + self.bias[:, None, None]


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("norm", NORMS)
def test_backward_of_a_norm_is_wrong_for_one_sample_alone(norm: str, after: str) -> None:
    torch.manual_seed(0)
    net = Tokens(NORMS[norm](), AFTER[after]).double().eval()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    together, alone = dense_jacobian(net, x), dense_jacobian(net, x[:1])
    net.norm = Affine(net.norm)
    truth = dense_jacobian(net, x)
    assert relative(together, truth) < 1e-10
    assert relative(dense_jacobian(net, x[:1]), truth[:1]) < 1e-10
    wrong = relative(alone, truth[:1])
    assert wrong > 1e-2, is_mended(f"{norm} in eval mode on one sample", "the rule that no row runs alone")


ALGEBRA: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "solve": lambda a, x: torch.linalg.solve(a, x[..., None])[..., 0],
    "det": lambda a, x: torch.linalg.det(a)[..., None],
    "logdet": lambda a, x: torch.logdet(a @ a.mT)[..., None],
    "slogdet": lambda a, x: torch.linalg.slogdet(a)[1][..., None],
}


class Algebra(nn.Module):
    """A function of the matrix W + diag(x^2) of each sample."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.w, self.function = nn.Parameter(torch.eye(4) + torch.randn(4, 4) / 4), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.w + torch.diag_embed(x.square()), x)


@pytest.mark.parametrize("name", ALGEBRA)
def test_vmap_of_jacrev_is_wrong_without_grad_mode(name: str) -> None:
    torch.manual_seed(0)
    net, x = Algebra(ALGEBRA[name]).double(), torch.randn(5, 4, dtype=torch.float64)
    truth = dense_jacobian(net, x)
    w = {"w": net.w.detach()}

    def single(p: dict[str, Tensor], x_i: Tensor) -> Tensor:
        return functional_call(net, p, (x_i[None],))[0]

    def jacobian(transform: Callable[..., Callable[..., dict[str, Tensor]]]) -> Tensor:
        return vmap(transform(single), (None, 0))(w, x)["w"].flatten(2)

    assert relative(jacobian(jacrev), truth) < 1e-10
    with torch.no_grad():
        assert relative(jacobian(jacrev), truth) > 1, is_mended(
            f"vmap(jacrev) of {name} under no_grad", "grad mode around vmap(jacrev)"
        )
    assert relative(jacobian(jacfwd), truth) > 1, is_mended(f"vmap(jacfwd) of {name}", "the check of J v by J^T u")


def test_forward_mode_does_not_know_no_grad() -> None:
    torch.manual_seed(0)
    w, x = torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)

    def f(w: Tensor) -> Tensor:
        with torch.no_grad():
            scale = (w * x).sum()
        return (w * x).sum() * scale

    reverse = jacrev(f)(w) @ w
    forward = jvp(f, (w,), (w,))[1]
    assert relative(reverse, (w @ x) ** 2) < 1e-10
    assert relative(forward, reverse) > 0.5, is_mended("jvp through no_grad", "AsReverseMode")
    with AsReverseMode():
        assert relative(jvp(f, (w,), (w,))[1], reverse) < 1e-10


def test_weight_norm_has_no_forward_mode() -> None:
    torch.manual_seed(0)
    v, g, t = (torch.randn(*shape, dtype=torch.float64) for shape in ((3, 4), (3, 1), (3, 4)))

    def f(v: Tensor) -> Tensor:
        return torch._weight_norm(v, g, 0)

    try:
        jvp(f, (v,), (t,))
    except NotImplementedError:
        pass
    else:
        pytest.fail(is_mended("jvp of weight_norm", "its form"))
    with Mended():
        torch.testing.assert_close(f(v), g * v / v.norm(dim=1, keepdim=True))
        expected = torch.einsum("ijkl,kl->ij", jacrev(f)(v), t)
        torch.testing.assert_close(jvp(f, (v,), (t,))[1], expected)


class Prototypes(nn.Module):
    """Distances to prototypes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.prototypes, self.out = nn.Linear(4, 6), nn.Parameter(torch.randn(5, 6)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cdist(self.a(x), self.prototypes))


def test_vmap_of_the_backward_pass_of_cdist_is_wrong() -> None:
    torch.manual_seed(0)
    net, x = Prototypes().double(), torch.randn(4, 4, dtype=torch.float64)
    y, parameters = net(x), list(net.parameters())
    v = torch.randn(2, *y.shape, dtype=torch.float64)

    def pull(v: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(y, parameters, v, retain_graph=True)])

    truth = torch.stack([pull(row) for row in v])
    assert relative(vmap(pull)(v), truth) > 1e-2, is_mended("vmap of cdist's backward", "its form and WRONG_VECTORISED")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        for algorithm in ("structured", "jacobian", "ntkvp"):
            for verify in ("always", "off"):
                kernel = ntk(net, x, outputs="full", algorithm=algorithm, verify=verify)
                assert relative(kernel, dense_kernel(net, x)) < 1e-10


@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 2, 2)], ids=str)
def test_vmap_of_jacrev_is_wrong_through_prelu(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.PReLU(6), nn.Flatten(), nn.LazyLinear(3)).double()
    x = torch.randn(3, *shape, dtype=torch.float64)  # as many samples as outputs; for another number torch raises
    net(x)
    truth = dense_jacobian(net, x)
    values = {name: p.detach() for name, p in net.named_parameters()}
    parts = vmap(jacrev(lambda p, x_i: functional_call(net, p, (x_i[None],))[0]), (None, 0))(values, x)
    by_torch = torch.cat([part.flatten(2) for part in parts.values()], dim=2)
    assert relative(by_torch, truth) > 1e-2, is_mended("vmap(jacrev) through PReLU", "hpnets/ntk/_mended.py")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnprovenWarning)
        for n in (3, 5):
            x = torch.randn(n, *shape, dtype=torch.float64)
            kernel = ntk(net, x, outputs="full", algorithm="jacobian")
            assert relative(kernel, dense_kernel(net, x)) < 1e-10

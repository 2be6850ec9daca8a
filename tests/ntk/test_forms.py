"""Functions in quick backward forms against torch's own, and networks that do not run in the forms."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hpnets.ntk import ntk
from hpnets.ntk._forms import BackwardForms, mode
from hpnets.ntk._output_selection import select_outputs
from hpnets.ntk._survey import survey
from tests.ntk.oracle import dense_kernel, relative

Function = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture
def _images_of_any_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels last in double precision too, in which it is slower but can be compared more closely."""
    monkeypatch.setattr(mode, "is_quicker", lambda x: x.ndim == 4)


FUNCTIONS: dict[str, tuple[tuple[int, ...], Function]] = {
    "conv": ((8, 4, 3, 3), lambda x, w, b: F.conv2d(x, w, b, padding=1)),
    "conv without bias": ((8, 4, 3, 3), lambda x, w, b: F.conv2d(x, w)),
    "strided": ((8, 4, 3, 2), lambda x, w, b: F.conv2d(x, w, b, (2, 3), (1, 0))),
    "strided with unread inputs": ((8, 4, 2, 2), lambda x, w, b: F.conv2d(x, w, b, stride=4)),
    "dilated": ((8, 4, 3, 2), lambda x, w, b: F.conv2d(x, w, b, dilation=(2, 3), padding=2)),
    "grouped": ((8, 2, 3, 3), lambda x, w, b: F.conv2d(x, w, b, groups=2)),
    "depthwise": ((8, 1, 3, 3), lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1, groups=4)),
    "pointwise": ((8, 4, 1, 1), lambda x, w, b: F.conv2d(x, w, b)),
    "pointwise, strided": ((8, 4, 1, 1), lambda x, w, b: F.conv2d(x, w, b, stride=2)),
    "of weights made of others": ((8, 4, 3, 3), lambda x, w, b: F.conv2d(x, w * w, b.exp(), padding=1)),
    "padded by name": ((8, 4, 3, 3), lambda x, w, b: F.conv2d(x, w, b, padding="same")),
    "max pool": ((4,), lambda x, w, b: F.max_pool2d(x * w[:, None, None], 3, 2, 1)),
    "max pool of shape": ((4,), lambda x, w, b: F.max_pool2d(x * w[:, None, None], (2, 3), ceil_mode=True)),
    "max pool, dilated": ((4,), lambda x, w, b: torch.max_pool2d(x * w[:, None, None], 2, 1, 0, 2)),
    "mean pool": ((4,), lambda x, w, b: F.avg_pool2d(x * w[:, None, None], 2)),
    "mean pool, padded": ((4,), lambda x, w, b: F.avg_pool2d(x * w[:, None, None], 3, 2, 1)),
    "mean pool of what it counts": (
        (4,),
        lambda x, w, b: F.avg_pool2d(x * w[:, None, None], 3, 2, 1, count_include_pad=False),
    ),
    "mean pool of all": ((4,), lambda x, w, b: F.avg_pool2d(x * w[:, None, None], 4, 2, ceil_mode=True)),
    "mean": ((4,), lambda x, w, b: (x * w[:, None, None]).mean((2, 3))),
    "mean, kept": ((4,), lambda x, w, b: torch.mean(x * w[:, None, None], dim=(-1, -2), keepdim=True)),
    "mean of some axes": ((4,), lambda x, w, b: (x * w[:, None, None]).mean((1, 2))),
    "mean of all": ((4,), lambda x, w, b: (x * w[:, None, None]).mean()),
    "adaptive mean": ((4,), lambda x, w, b: F.adaptive_avg_pool2d(x * w[:, None, None], 1)),
    "adaptive mean of shape": ((4,), lambda x, w, b: F.adaptive_avg_pool2d(x * w[:, None, None], (2, 3))),
    "batch norm": ((4,), lambda x, w, b: F.batch_norm(x, w.detach(), w.detach() ** 2, w, b[:4])),
    "batch norm without weights": ((4,), lambda x, w, b: F.batch_norm(x, w.detach(), w.detach() ** 2) * w[0]),
}


@pytest.mark.usefixtures("_images_of_any_dtype")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_form_has_the_values_and_the_gradients_of_torchs_own_function(name: str) -> None:
    torch.manual_seed(0)
    shape, f = FUNCTIONS[name]
    x = torch.randn(5, 4, 11, 10, dtype=torch.float64, requires_grad=True)
    w = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    b = torch.randn(8, dtype=torch.float64, requires_grad=True)
    y = f(x, w, b)
    with BackwardForms(True):
        formed = f(x, w, b)
    assert formed.shape == y.shape
    assert relative(formed, y) < 1e-14
    seeds = torch.randn(3, *y.shape, dtype=torch.float64)

    def pulled(y: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return lambda seed: torch.autograd.grad(
            y, (x, w, b), seed, retain_graph=True, allow_unused=True, materialize_grads=True
        )

    for a, wanted in zip(torch.func.vmap(pulled(formed))(seeds), torch.func.vmap(pulled(y))(seeds), strict=True):
        assert relative(a, wanted) < 1e-12 or a.norm() == wanted.norm() == 0


# These stay as they are.
OWN = {
    "padded by name",
    "mean pool of what it counts",
    "mean of some axes",
    "mean of all",
    "adaptive mean of shape",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_have_a_form_take_it(name: str) -> None:
    shape, f = FUNCTIONS[name]
    w, b = torch.rand(shape, requires_grad=True), torch.randn(8)
    with BackwardForms(True):
        y = f(torch.randn(5, 4, 10, 10, requires_grad=True), w, b)
    node = y.grad_fn if "batch norm without" not in name else y.grad_fn.next_functions[0][0]
    forms = {"_ConvolutionBackward", "_ChosenBackward", "_MeanBackward", "_AffineBackward"}
    assert (type(node).__name__ in forms) == (name not in OWN)


class Flat(nn.Module):
    """Images are viewed as vectors, which torch allows in the layout of its own convolutions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Sequential(nn.Conv2d(2, 4, 3)), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.conv(x)).view(len(x), -1))


class Strided(Flat):
    """Memory is read in the order in which torch's own convolutions write it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.conv(x)).as_strided((len(x), 64), (64, 1)))


class Checkpointed(Flat):
    """A convolution is run again in the backward pass, in torch's own function, which gives the same gradient."""

    def forward(self, x: Tensor) -> Tensor:
        h = checkpoint(lambda h: torch.tanh(self.conv(h)), x, use_reentrant=False)
        return self.linear(h.flatten(1))


class Twice(Flat):
    """The outputs are gradients, which are differentiated a second time."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            h = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(torch.tanh(self.conv(h)).sum(), h, create_graph=True)
        return self.linear(g.flatten(1)[:, :64])


class TwiceNormed(Twice):
    """The same with BatchNorm, whose weight is in the first gradient too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv.append(nn.BatchNorm2d(4))


def test_results_of_forms_may_be_changed_in_place() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)]
    net = nn.Sequential(*(m for layer in layers for m in (layer, nn.ReLU(True))), nn.Flatten(), nn.Linear(4, 3)).eval()
    x = torch.randn(5, 2, 10, 10)
    assert survey(net, dict(net.named_parameters()), x, select_outputs("full", 3, x)).quick
    k = ntk(net, x, outputs="full", algorithm="structured", verify="off")
    assert relative(k, dense_kernel(net.double(), x.double())) < 1e-5


@pytest.mark.parametrize("kind", [Flat, Strided, Checkpointed, Twice, TwiceNormed])
def test_a_network_that_does_not_run_in_the_forms_runs_in_torchs_own_functions(kind: type[Flat]) -> None:
    torch.manual_seed(0)
    net, x = kind().eval(), torch.randn(5, 2, 6, 6)
    k = ntk(net, x, outputs="full", algorithm="structured", verify="off")
    assert relative(k, dense_kernel(net.double(), x.double())) < 1e-5
    net, selection = net.float(), select_outputs("full", 3, x)
    assert survey(net, dict(net.named_parameters()), x, selection).quick == (kind is Checkpointed)


@pytest.mark.parametrize("name", ["conv", "batch norm"])
def test_only_weights_that_are_leaves_are_left_out_of_the_graph(name: str) -> None:
    torch.manual_seed(0)
    shape, _ = FUNCTIONS[name]
    f: Function = F.conv2d if name == "conv" else lambda x, w, b: F.batch_norm(x, w.detach(), w.detach(), w, b)
    x = torch.randn(5, 4, 11, 10, requires_grad=True)
    w, b = torch.rand(shape, requires_grad=True), torch.randn(shape[0], requires_grad=True)
    seed = torch.randn_like(f(x, w, b))
    wanted = torch.autograd.grad(f(x, w, b), (x, w), seed)
    with BackwardForms(True, to_leaves=False):
        of_leaf, of_other, of_constant = f(x, w, b), f(x, w * 1, b), f(x.detach(), w, b)
    to_x, to_w = torch.autograd.grad(of_leaf, (x, w), seed, allow_unused=True)
    assert relative(to_x, wanted[0]) < 1e-5
    assert to_w is None
    for a, truth in zip(torch.autograd.grad(of_other, (x, w), seed), wanted, strict=True):
        assert relative(a, truth) < 1e-5
    assert of_constant.requires_grad

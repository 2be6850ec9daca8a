"""What a product with a curvature takes in memory, in gradients of the same batch, by the bytes of live tensors."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from hpnets.curvature import CurvatureOperator, NetworkLoss, gauss_newton, hessian, network_loss, residual, sharpness
from hpnets.ntk._allocator import keep_freed_memory
from recipes.bench.cases import CASES, loss_and_labels
from tests.bytes_alive import BytesAlive

# (samples, options): few samples of a wide net, whose parameters take most, and many of a narrow one.
SETTINGS: dict[str, list[tuple[int, dict[str, int]]]] = {
    "mlp": [(256, {}), (8, {})],
    "ccp": [(256, {}), (8, {})],
    "conv": [(8, {})],
    "resnet18": [(2, {"width": 16})],
}
Batch = tuple[Tensor, Tensor]


def peak_of(compute: Callable[..., object], *arguments: object) -> int:
    with BytesAlive() as alive:
        compute(*arguments)
    return alive.peak


def case(name: str, samples: int, options: dict[str, int]) -> tuple[NetworkLoss, Batch]:
    torch.manual_seed(0)
    net, x = CASES[name].build(**options).eval(), torch.randn(samples, *CASES[name].shape)
    criterion, y = loss_and_labels(x)
    return network_loss(net, criterion), (x, y)


def rows_of(loss: NetworkLoss) -> int:
    return sum(p.numel() for p in loss.params.values())


def flat_gradient(loss: NetworkLoss, batch: Batch) -> Tensor:
    grads = torch.autograd.grad(loss(loss.params, batch), list(loss.params.values()))
    return torch.cat([g.flatten() for g in grads])


def operators(loss: NetworkLoss, batch: Batch) -> dict[str, Callable[[], CurvatureOperator]]:
    return {
        "H": partial(hessian, loss, loss.params, batch, verify=False),
        "G": partial(gauss_newton, loss, loss.params, batch),
        "R": partial(residual, loss, loss.params, batch, verify=False),
    }


def one_product(make: Callable[[], CurvatureOperator], v: Tensor) -> Tensor:
    return make().matvec(v)


@pytest.fixture(autouse=True)
def settled() -> None:
    """The allocator's block, which is made and freed once in a process, is no part of a product."""
    keep_freed_memory()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_product_takes_at_most_three_gradients_of_memory(name: str) -> None:
    """With the making of its graph and all checks, beside a gradient that is made into one vector too."""
    for samples, options in SETTINGS[name]:
        loss, batch = case(name, samples, options)
        gradient, v = peak_of(flat_gradient, loss, batch), torch.ones(rows_of(loss))
        for kind, make in operators(loss, batch).items():
            peak = peak_of(one_product, make, v)
            assert gradient < peak <= 3 * gradient, (name, samples, kind, peak / gradient)


def test_the_graph_that_stays_holds_no_gradient() -> None:
    """Between products of a wide net less than the parameters' bytes is held, which one gradient would take alone."""
    loss, batch = case("mlp", 8, {})
    parameters = 4 * rows_of(loss)
    for make in operators(loss, batch).values():
        with BytesAlive() as alive:
            made = make()
            made.matvec(torch.ones(made.shape[0]))
            assert alive.now < parameters / 4


def test_the_memory_that_is_foreseen_is_taken() -> None:
    """The number in the error is above what a product takes, by the count, and not more than three times that."""
    for name in ("mlp", "ccp", "conv"):
        loss, batch = case(name, *SETTINGS[name][0])
        peak = peak_of(one_product, operators(loss, batch)["H"], torch.ones(rows_of(loss)))
        with pytest.raises(ValueError, match=r"needs about \d+") as error:
            hessian(loss, loss.params, batch, memory=1)
        needed = int(str(error.value).split("needs about ")[1].split(";")[0])
        assert peak < needed < 3 * peak, (name, needed / peak)


def test_the_largest_eigenvalues_hold_a_basis_and_its_products() -> None:
    loss, batch = case("mlp", 8, {"width": 256})
    made = hessian(loss, loss.params, batch, verify=False)
    with BytesAlive() as alive:
        top = sharpness(made, 5, tol=1e-5)
    assert top.converged
    assert alive.peak < (32 * (8 + 4) + 20 * 8) * made.shape[0]

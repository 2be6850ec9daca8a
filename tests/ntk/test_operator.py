"""NTKOperator against kernels from plain autograd loops, in scipy, and within its budget."""

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from torch import Tensor, nn

from hpnets.ntk import NTKOperator
from tests.linalg.oracles import Product, conv_net, loop_kernel, small_net

NETS = {
    "mlp": (small_net, (4,)),
    "conv": (conv_net, (2, 6, 6)),
    "product, raw and tied parameters": (lambda: Product().double(), (4,)),
}


def inputs(shape: tuple[int, ...], n: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("outputs", ["full", "trace", "sum", 1])
@pytest.mark.parametrize("name", NETS)
def test_products_and_diagonal_are_those_of_the_dense_kernel(name: str, outputs: str | int) -> None:
    make, shape = NETS[name]
    net, x = make(), inputs(shape)
    k = loop_kernel(net, x, outputs)
    operator = NTKOperator(net, x, outputs=outputs)
    v = torch.randn(len(k), 5, dtype=torch.float64)
    assert operator.shape == tuple(k.shape)
    torch.testing.assert_close(operator.matmat(v), k @ v, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(operator.matvec(v[:, 2]), k @ v[:, 2], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(operator.diagonal(), k.diagonal(), rtol=1e-10, atol=1e-10)


def test_float32_products_agree_to_rounding_and_keep_their_dtype() -> None:
    net, x = small_net(torch.float32), inputs((4,), dtype=torch.float32)
    operator = NTKOperator(net, x, outputs="full")
    k = loop_kernel(net.double(), x.double(), "full")
    net.float()
    v = torch.randn(21, 2, dtype=torch.float64)
    kv = operator.matmat(v)
    assert kv.dtype == operator.dtype == torch.float32
    assert float((kv.double() - k @ v).norm() / (k @ v).norm()) < 1e-6


@pytest.mark.parametrize("memory", ["60KiB", "12KiB"])
def test_a_small_budget_tiles_samples_and_vectors_and_changes_nothing(memory: str) -> None:
    net, x = small_net(), inputs((4,), n=40)
    v = torch.randn(120, 6, dtype=torch.float64)
    small, large = (NTKOperator(net, x, outputs="full", memory=m) for m in (memory, "1GiB"))
    chunk, tile = small._sizes(6)
    assert chunk < 6 or tile < 40, "the budget binds nothing: the test would show nothing"
    torch.testing.assert_close(small.matmat(v), large.matmat(v), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(small.diagonal(), large.diagonal(), rtol=1e-12, atol=1e-12)


def test_given_parameters_alone_are_differentiated_at_their_values() -> None:
    net, x = small_net(), inputs((4,))
    values = {"0.weight": torch.randn(16, 4, dtype=torch.float64)}
    v = torch.randn(21, 1, dtype=torch.float64)
    result = NTKOperator(net, x, outputs="full", params=values).matmat(v)
    net[0].weight.data = values["0.weight"]
    for name, p in net.named_parameters():
        p.requires_grad_(name == "0.weight")
    torch.testing.assert_close(result, loop_kernel(net, x, "full") @ v, rtol=1e-10, atol=1e-10)


def test_scipy_finds_the_eigenvalues_of_the_dense_kernel() -> None:
    net, x = small_net(), inputs((4,), n=20)
    operator = NTKOperator(net, x, outputs="full").to_scipy()
    assert operator.dtype == np.float64
    top = scipy.sparse.linalg.eigsh(operator, k=4, return_eigenvectors=False)
    exact = np.linalg.eigvalsh(loop_kernel(net, x, "full").numpy())
    np.testing.assert_allclose(np.sort(top), exact[-4:], rtol=1e-10)
    block = np.random.default_rng(0).normal(size=(60, 3))
    np.testing.assert_allclose(operator @ block, loop_kernel(net, x, "full").numpy() @ block, rtol=1e-9, atol=1e-9)


def norm_net() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
    return net.double().eval()


def test_products_are_of_the_network_as_it_is() -> None:
    net, x = norm_net(), inputs((4,))
    operator, v = NTKOperator(net, x, outputs="full"), torch.randn(21, dtype=torch.float64)
    for change in (
        lambda: net[0].weight.data.mul_(2),
        lambda: net[2].running_mean.add_(1),
        lambda: net[0].register_forward_hook(lambda module, inputs, y: y * y),
    ):
        change()
        k = loop_kernel(net, x, "full")
        torch.testing.assert_close(operator.matvec(v), k @ v, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(operator.diagonal(), k.diagonal(), rtol=1e-10, atol=1e-10)
    net.train()
    for product in (lambda: operator.matvec(v), operator.diagonal):
        with pytest.raises(ValueError, match="is in train mode"):
            product()


def test_the_network_is_left_as_it_was() -> None:
    net, x = small_net(), inputs((4,))
    before = {name: t.clone() for name, t in net.state_dict().items()}
    NTKOperator(net, x, outputs="trace").matvec(torch.ones(7, dtype=torch.float64))
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": "all"}, "outputs is 'all'"),
        ({"outputs": 3}, "outputs names 3; allowed: logits 0 to 2"),
        ({"memory": "1KiB"}, "memory is 1024 bytes"),
        ({"params": {}}, "no parameter"),
        ({"x": torch.zeros(3, 4, dtype=torch.float16)}, "x1 has dtype torch.float16"),
        ({"net": nn.Sequential(nn.Linear(4, 3), nn.Dropout()).double()}, "Dropout"),
    ],
)
def test_bad_arguments_are_named(change: dict, message: str) -> None:
    arguments = {"net": small_net(), "x": inputs((4,)), "outputs": "full"} | change
    with pytest.raises(ValueError, match=message):
        NTKOperator(**arguments).matvec(torch.zeros(21, dtype=torch.float64))


@pytest.mark.parametrize(("method", "shape"), [("matvec", (20,)), ("matvec", (21, 1)), ("matmat", (21,))])
def test_vectors_of_another_shape_are_refused(method: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"has shape .*allowed: \(21,"):
        getattr(NTKOperator(small_net(), inputs((4,)), outputs="full"), method)(torch.zeros(shape))

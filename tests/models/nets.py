"""Small networks for the tests, and what several of them measure."""

from fnmatch import fnmatch
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model, list_models, model_options

IMAGE = (1, 8, 8)
ZERO_GATES = {"pdc": "*.alpha"}  # gates that start at 0, so that what stands behind them has no gradient at first
PYRAMIDS = ["focalnet", "mambaout", "monet", "starnet", "van"]  # whose `depth` is the blocks of each stage
PICTURES = {"style_generator": 64}  # an output_dim with two levels, of 4x4 and 8x8, as 3 would be one pixel


def outputs(name: str) -> int:
    """The output_dim of `small`."""
    return PICTURES.get(name, 3)


def small(name: str, **options: Any) -> nn.Module:
    """The model `name` for 8x8 images, 3 outputs (64 of pictures), 6 wide if it has a width, seeded, in eval mode."""
    narrow = {"width": 6} if "width" in model_options(name) else {}
    torch.manual_seed(0)
    return create_model(name, **{"input_shape": IMAGE, "output_dim": outputs(name), **narrow, **options}).eval()


def shallow(name: str) -> dict[str, Any]:
    """The options of few blocks, where another one of the same kind adds nothing: two stages of one, or one in each."""
    if name in PYRAMIDS:
        return {"depth": 1}
    return {"blocks": [1, 1]} if name in [*list_models(option="stem"), "polynext"] else {}


@cache
def image_families() -> list[str]:
    """The models that take images only: those which refuse flat inputs."""

    def takes_flat_inputs(name: str) -> bool:
        try:
            small(name, input_shape=(64,))
        except ValueError:
            return False
        return True

    return [name for name in list_models() if not takes_flat_inputs(name)]


def open_gates(net: nn.Module, name: str) -> nn.Module:
    """The model `name` with its zero-initialised gates at 1/2."""
    for key, p in net.named_parameters():
        if fnmatch(key, ZERO_GATES.get(name, "")):
            nn.init.constant_(p, 0.5)
    return net


def scramble(net: nn.Module) -> nn.Module:
    """The net with weights and statistics of its normalisations away from where they start, so that each counts."""
    batch = nn.BatchNorm1d | nn.BatchNorm2d
    for module in net.modules():
        if isinstance(module, batch | nn.GroupNorm | nn.LayerNorm) and module.weight is not None:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            if module.bias is not None:
                nn.init.normal_(module.bias)
        if isinstance(module, batch):
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
    return net


def copy_weights(net: nn.Module, oracle: nn.Module) -> None:
    """The oracle's weights become the net's, matched by their order."""
    values = oracle.state_dict().values()
    net.load_state_dict(dict(zip(net.state_dict(), values, strict=True)))


def line(n: int, shape: tuple[int, ...]) -> Tensor:
    """n equidistant points of that shape on a line, in float64."""
    x, d = samples(2, shape, torch.float64)
    return torch.stack([x + k * d for k in range(n)])


def samples(n: int = 4, shape: tuple[int, ...] = IMAGE, dtype: torch.dtype = torch.float32) -> Tensor:
    """n seeded normal inputs (n, *shape)."""
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def relative_difference(net: nn.Module, order: int, from_origin: bool = False, step: float = 1.0) -> float:
    """Size of the order-th finite difference of a float64 net on a line, relative to its values there.

    The line is x + step k d for k = -order/2..order/2, or the ray step (k + 1) d for k = 0..order. A polynomial of
    degree N < order has 0. The farther the line goes, the more of the values is the term of the highest degree.
    """
    x, d = samples(2, dtype=torch.float64)
    start, first = (0 * x, 1.0) if from_origin else (x, -order / 2)
    values = net(torch.stack([start + step * (first + k) * d for k in range(order + 1)])).detach()
    return float(values.diff(n=order, dim=0).abs().max() / values.abs().max())


def state_arrays(net: nn.Module) -> dict[str, Any]:
    """The state dict as numpy arrays."""
    return {name: value.detach().numpy() for name, value in net.state_dict().items()}

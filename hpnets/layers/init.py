"""Other draws of the weights of a network than its own, of the same size."""

from collections.abc import Callable

from torch import Tensor, nn

from hpnets.layers.parametrisation import Drawn, layers_of


def _normal(weight: Tensor, rms: float) -> None:
    nn.init.normal_(weight, std=rms)


def _uniform(weight: Tensor, rms: float) -> None:
    nn.init.uniform_(weight, -(3**0.5) * rms, 3**0.5 * rms)


def _orthogonal(weight: Tensor, rms: float) -> None:
    # nn.init.orthogonal_ makes rows or columns, whichever are fewer, of length 1 before it applies the gain
    rows, columns = weight.flatten(1).shape
    nn.init.orthogonal_(weight, gain=rms * max(rows, columns) ** 0.5)


DRAWS: dict[str, Callable[[Tensor, float], None]] = {
    "normal": _normal,
    "uniform": _uniform,
    "orthogonal": _orthogonal,
}
INITS = ("own", *DRAWS)


def redraw(net: nn.Module, init: str, own: dict[str, Drawn]) -> None:
    """Draw the weights of the linear layers and convolutions of `net` again, with the root mean squares of `own`.

    init: "normal", "uniform" (on an interval around 0) or "orthogonal": of a weight as a matrix (outputs, inputs x
    kernel), the fewer of rows and columns are orthogonal and of one length. What starts at 0 or is frozen stays, as do
    biases, norms, gates and weights of other modules.
    """
    for name, layer in layers_of(net).items():
        if name in own and own[name].rms > 0 and layer.get_parameter("weight").requires_grad:
            DRAWS[init](layer.get_parameter("weight"), own[name].rms)

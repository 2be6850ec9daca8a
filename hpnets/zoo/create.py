"""create_model, as hpnets has it for everybody: networks by name, and with published weights."""

from typing import Any

from torch import nn

from hpnets.models import create_model as create
from hpnets.models import model_options, reset_head
from hpnets.validate import require
from hpnets.zoo.index import entries, pretrained_entry
from hpnets.zoo.pretrained import load_pretrained


def create_model(
    name: str,
    *,
    pretrained: str | None = None,
    input_shape: tuple[int, ...] | list[int] | None = None,
    output_dim: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build the model `name` as `hpnets.models.create_model` does, or with the published weights `pretrained`.

    pretrained: a name of `list_pretrained`, which gives the shapes and the options; another output_dim than the
    published one puts a new head in the place of the published one, 0 none. The network is in train mode, and takes
    inputs that `pretrained_entry(pretrained).preprocessing` has normalised.

    Raises ValueError for weights of another model, and for other options or another input_shape than theirs.
    """
    if pretrained is not None:
        return _with_weights(name, pretrained, input_shape, output_dim, options)
    require(input_shape is not None, "input_shape", input_shape, "one or more sizes >= 1, without pretrained")
    require(output_dim is not None, "output_dim", output_dim, "an integer >= 0, without pretrained")
    return create(name, input_shape=input_shape, output_dim=output_dim, **options)  # type: ignore[arg-type]


def _with_weights(
    name: str, pretrained: str, input_shape: Any, output_dim: int | None, options: dict[str, Any]
) -> nn.Module:
    model_options(name)  # raises for an unknown model, with the nearest names
    entry = pretrained_entry(pretrained)
    fitting = ", ".join(key for key, other in entries().items() if other.model["name"] == name) or "none"
    require(entry.model["name"] == name, "pretrained", pretrained, f"weights of {name!r}: {fitting}")
    given = {**options} if input_shape is None else {**options, "input_shape": list(input_shape)}
    published = {**entry.model, "input_shape": entry.input_shape}
    for key, value in given.items():
        require(published.get(key) == value, key, value, f"that of {pretrained}, {published.get(key)!r}")
    net, _ = load_pretrained(pretrained)
    if output_dim not in (None, entry.output_dim):
        reset_head(net, output_dim)
    return net.train()

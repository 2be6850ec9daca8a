"""Features of pictures: the inputs of a published classifier's last layer."""

import copy

from torch import Tensor, nn

from hpnets.models import generates_pictures, reset_head
from hpnets.zoo.index import entries
from hpnets.zoo.pretrained import load_pretrained


class Penultimate(nn.Module):
    """Maps raw pictures (N, *input_shape) to the inputs (N, F) of a classifier's head, in eval mode."""

    def __init__(self, net: nn.Module, preprocess: nn.Module) -> None:
        super().__init__()
        self.net, self.preprocess = copy.deepcopy(net).eval().requires_grad_(False), preprocess
        reset_head(self.net, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.preprocess(x))


def features_for(model: str, task: str) -> tuple[str, nn.Module] | None:
    """(name, features) of the published mlp of `task`, by which the pictures that `model` generates are measured.

    It is None if the model generates no pictures, or the task has no published mlp. Raises ValueError for an unknown
    model.
    """
    name = f"mlp-{task}"
    if not generates_pictures(model) or name not in entries():
        return None
    return name, Penultimate(*load_pretrained(name))

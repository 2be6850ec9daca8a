"""The types of a model's options, and what its named sizes cost."""

from functools import cache
from inspect import Parameter
from typing import Any

import torch

from hpnets.models import create_model, generates_pictures, model_option_docs, model_options
from hpnets.models.cost import Cost, cost

IMAGE, CLASSES = (3, 32, 32), 10


def type_name(option: Parameter) -> str:
    """The type of an option as text, such as "int" or "int or None"."""
    annotation = option.annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace(" | ", " or ")


@cache
def sizes(name: str) -> dict[str, Cost]:
    """The cost of each named size for 3x32x32 images and 10 classes, or for pictures of 3x32x32; {} without sizes."""
    if "size" not in model_options(name):
        return {}
    costs = {}
    for size in model_option_docs(name)["size"].allowed.split(", "):
        # Weights are on "meta", without memory, except a generator's: its demodulation turns off autocast, which has no
        # "meta".
        with torch.device("cpu" if generates_pictures(name) else "meta"):
            costs[size] = cost(build(name, size=size), IMAGE)
    return dict(sorted(costs.items(), key=lambda item: item[1].parameters))


def build(name: str, **options: Any) -> torch.nn.Module:
    """The model for 3x32x32 inputs and 10 outputs, or for a generator as many outputs as its picture has."""
    outputs = torch.Size(IMAGE).numel() if generates_pictures(name) else CLASSES
    return create_model(name, input_shape=IMAGE, output_dim=outputs, **options)

"""Networks as plain nn.Modules, one family a file, built by name with `create_model`."""

from hpnets.models import (
    adain,
    ccp,
    cnn,
    film,
    mlp,
    ncp,
    pdc,
    pinet,
    polynet,
    resnet,
    se_resnet,
    spade,
    style_classifier,
)
from hpnets.models.registry import create_model, list_models, model_options, register_model

__all__ = [
    "adain",
    "ccp",
    "cnn",
    "create_model",
    "film",
    "list_models",
    "mlp",
    "model_options",
    "ncp",
    "pdc",
    "pinet",
    "polynet",
    "register_model",
    "resnet",
    "se_resnet",
    "spade",
    "style_classifier",
]

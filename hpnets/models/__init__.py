"""Networks as plain nn.Modules, one family a file, built by name with `create_model`."""

from hpnets.models import (
    ccp,
    cope,
    glu,
    mlp,
    ncp,
    pnn,
    prodpoly,
    quadratic,
    resnet,
)
from hpnets.models.registry import create_model, list_models, model_options, register_model

__all__ = [
    "ccp",
    "cope",
    "create_model",
    "glu",
    "list_models",
    "mlp",
    "model_options",
    "ncp",
    "pnn",
    "prodpoly",
    "quadratic",
    "register_model",
    "resnet",
]

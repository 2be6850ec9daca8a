"""Networks as plain nn.Modules, one family a file, built by name with `create_model`."""

from hpnets.models import ccp, mlp, ncp, pdc, pinet, polynet, resnet
from hpnets.models.registry import create_model, list_models, model_options, register_model

__all__ = [
    "ccp",
    "create_model",
    "list_models",
    "mlp",
    "model_options",
    "ncp",
    "pdc",
    "pinet",
    "polynet",
    "register_model",
    "resnet",
]

"""Networks as plain nn.Modules, one family a file, built by name with `create_model`."""

from hpnets.layers.parametrisation import parameter_groups
from hpnets.models.degree import polynomial_degree
from hpnets.models.head import forward_features, reset_head
from hpnets.models.registry import (
    create_model,
    generates_pictures,
    list_models,
    model_option_docs,
    model_options,
    model_summary,
    register_model,
)
from hpnets.registry import import_all

__all__ = [
    "create_model",
    "forward_features",
    "generates_pictures",
    "list_models",
    "model_option_docs",
    "model_options",
    "model_summary",
    "parameter_groups",
    "polynomial_degree",
    "register_model",
    "reset_head",
]

import_all(__name__, __path__)

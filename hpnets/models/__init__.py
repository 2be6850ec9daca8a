"""Networks as plain nn.Modules, one family a file, built by name with `create_model`."""

from hpnets.models import (
    bacon,
    ccp,
    complex_mlp,
    cope,
    fourier_features,
    glu,
    mfn,
    mlp,
    ncp,
    pnn,
    poly_inr,
    prodpoly,
    quadratic,
    resnet,
    siren,
)
from hpnets.models.registry import create_model, list_models, model_options, register_model

__all__ = [
    "bacon",
    "ccp",
    "complex_mlp",
    "cope",
    "create_model",
    "fourier_features",
    "glu",
    "list_models",
    "mfn",
    "mlp",
    "model_options",
    "ncp",
    "pnn",
    "poly_inr",
    "prodpoly",
    "quadratic",
    "register_model",
    "resnet",
    "siren",
]

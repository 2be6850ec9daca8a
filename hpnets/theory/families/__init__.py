"""The limits of the zoo's families, in the letters of each model's docstring; `register_limit` names the model."""

from hpnets.registry import import_all

import_all(__name__, __path__)

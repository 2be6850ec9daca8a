"""The limit of each family of the zoo, in the letters of its model's docstring; `register_limit` names the model."""

from hpnets.registry import import_all

import_all(__name__, __path__)

"""The limit of each family of the zoo, in the letters of its model's docstring; `register_limit` names the model."""

from hpnets.theory.families import baselines, coordinate_nets, images, modulated, polynomial, tokens

__all__ = ["baselines", "coordinate_nets", "images", "modulated", "polynomial", "tokens"]

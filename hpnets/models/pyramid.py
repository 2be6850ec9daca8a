"""Stages of a pyramid: those of a named size, or what is asked for in their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from hpnets.models.options import Activation, Product, count
from hpnets.option_sets import OptionSet

Scaling = Annotated[int | None, count("channels of the first stage, which scale the others; null is the size's own")]
Doubling = Annotated[int | None, count("channels of the first stage, doubled at each next one; null is the size's own")]


@dataclass(frozen=True)
class PyramidOptions(OptionSet):
    """The stages of a pyramid; each family says which sizes it has."""

    size: str = "mini"
    width: Scaling = None
    depth: Annotated[int | None, count("blocks of each stage; null is the size's own")] = None

    def widths(self, own: Sequence[int]) -> list[int]:
        """The widths of the stages, scaled so that the first is `width`, if it is given."""
        return [max(w * (self.width or own[0]) // own[0], 1) for w in own]

    def depths(self, own: Sequence[int]) -> Sequence[int]:
        """The blocks of each stage, `depth` for all if it is given."""
        return [self.depth] * len(own) if self.depth else own


@dataclass(frozen=True)
class GatedPyramidOptions(PyramidOptions):
    """Stages of blocks that gate: VAN and MambaOut."""

    activation: Activation = "gelu"
    product: Product = "hadamard"

"""Small networks of one oddity each, by kind: what a kernel engine meets in the wild, and must get right or refuse."""

from tests.odd_modules import (
    blocks,
    coupled,
    data_dependent,
    functional,
    layout,
    nested,
    parametrised,
    randomness,
    recurrent,
    reuse,
    state,
    unreachable,
)
from tests.odd_modules.base import FIRST, ODD_MODULES, OTHERS, OddModule

__all__ = [
    "FIRST",
    "ODD_MODULES",
    "OTHERS",
    "OddModule",
    "blocks",
    "coupled",
    "data_dependent",
    "functional",
    "layout",
    "nested",
    "parametrised",
    "randomness",
    "recurrent",
    "reuse",
    "state",
    "unreachable",
]

"""Widths and depths of the stages of a pyramid: those of a named size, or what is asked for in their place."""

from collections.abc import Sequence

from hpnets.validate import at_least


def widths_of(own: Sequence[int], width: int | None) -> list[int]:
    """The widths of the stages, scaled so that the first is `width`, if it is given; ValueError for width < 1."""
    first = own[0] if width is None else at_least("width", width, 1)
    return [max(w * first // own[0], 1) for w in own]


def depths_of(own: Sequence[int], depth: int | None) -> Sequence[int]:
    """The blocks of each stage, `depth` for all if it is given; ValueError for depth < 1."""
    return own if depth is None else [at_least("depth", depth, 1)] * len(own)

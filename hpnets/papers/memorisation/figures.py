"""Tables and pictures of the memorisation study."""

import math
from functools import partial
from typing import Any

from hpnets.papers.memorisation.cells import on_pixels, on_sphere, ranks, smallest
from hpnets.papers.memorisation.claims import MEMORISED, trained
from hpnets.papers.memorisation.sizes import Sizes
from hpnets.statistics import mean, spread
from hpnets.study import Figure, Picture, Results, phase_map, spread_table
from hpnets.study.charts import categories, seeds_and_mean
from hpnets.theory import product_rank

MIN, MAX = {"lambda_min": ("min",), "lambda_max": ("max",)}, None


def figures(results: Results, sizes: Sizes) -> list[Figure]:
    """All figures, in order."""
    wide = spread_table(results.of(smallest, dim=sizes.dim), ("network", "ratio"), {"P": ("parameters",), "lambda_min": ("min",), "lambda_max": ("max",)})
    square = results.of(smallest, dim=0)
    edge = spread_table(square, ("network", "ratio"), {"d": ("dim",), "P": ("parameters",), "lambda_min": ("min",), "lambda_max": ("max",)}, ".2g")
    maps = Picture("maps.svg", "log10 of the last error, mean over seeds", partial(draw_maps, results, sizes), 2)
    curves = Picture("threshold.svg", "Memorisation over parameters and over rank", partial(draw_curves, results, sizes), 2)
    return [
        Figure("Over the number of parameters", "", *wide),
        Figure("At the edge", "", *edge),
        Figure("Memorisation", "", picture=maps),
        Figure("Parameters or rank", "", picture=curves),
        Figure("On the sphere", ""),
    ]

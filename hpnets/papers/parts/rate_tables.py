"""At which rates the networks of `rated_networks` are trained, and which were the best in a first run."""

from hpnets.papers.parts.rated_networks import COPIED

Way = tuple[str, str]
# Octaves between neighbouring rates.
STEP = 0.5
# The grids, log2 of the least and the greatest rate, which a net and its twin share; by optimiser and parametrisation.
# "deep" of mup: networks whose branches are not scaled, whose rates fall far.
GRIDS: dict[Way, dict[str, tuple[float, float]]] = {
    ("sgd", "mup"): {
        **{"mlp": (-3, 1), "ccp-2": (-5, -1), "ccp-4": (-6.5, -2.5), "skip-2": (1.5, 5.5), "skip-4": (-0.5, 4)},
        **{"pinet": (-2.5, 1), "resmlp-1": (-13, 0), "deep": (-18, -1)},
    },
    ("sgd", "ntk"): {"mlp": (2, 8), "ccp-2": (2, 6), "ccp-4": (0.5, 5), "skip-2": (2.5, 7), "skip-4": (1.5, 6)},
    ("adam", "mup"): {"mlp": (-8, -4), "ccp-2": (-8.5, -5), "ccp-4": (-10, -6), "skip-4": (-7, -3)},
    ("sgd", "depth"): {"resmlp-1": (-3.5, 0.5), "resmlp-2": (-4.5, 0.5), "deep": (-9.5, -1)},
    ("adam", "depth"): {"resmlp-2": (-10, -5)},
}
# log2 of the best rate at the first size, in a first run; networks whose sharpness is followed train at an eighth.
BEST: dict[Way, dict[str, float]] = {
    ("sgd", "mup"): {
        **{"mlp": -1, "ccp-2": -2, "ccp-2-sum": -3, "ccp-4": -3.5, "ccp-4-sum": -5, "skip-2": 4, "skip-2-sum": 3.5},
        **{"skip-4": 3, "skip-4-sum": 1, "resmlp-1": -1.5, "deepskip": 3.5},
    },
    ("sgd", "ntk"): {"mlp": 3.5},
    ("adam", "mup"): {"mlp": -6},
}


def powers_of(network: str, way: Way) -> list[float]:
    """log2 of the rates that a network and its twin, or its copies, are trained at."""
    low, high = GRIDS[way][network.removesuffix("-sum").removesuffix(COPIED)]
    return [low + STEP * i for i in range(round((high - low) / STEP) + 1)]

"""Optimisation of expensive functions by ask and tell: sample-then-optimise Thompson sampling, and its baselines."""

from hpnets.bandits import objectives
from hpnets.bandits.ask_and_tell import AskAndTell, Box
from hpnets.bandits.optimisers import GPUCB, STOBNTS, GPThompson, RandomSearch, confidence_width
from hpnets.bandits.paths import Training, sample_paths
from hpnets.bandits.peer import BoTorch
from hpnets.bandits.surrogate import Members, Surrogate

__all__ = [
    "GPUCB",
    "STOBNTS",
    "AskAndTell",
    "BoTorch",
    "Box",
    "GPThompson",
    "Members",
    "RandomSearch",
    "Surrogate",
    "Training",
    "confidence_width",
    "objectives",
    "sample_paths",
]

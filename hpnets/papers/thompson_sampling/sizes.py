"""How large the study of Thompson sampling is."""

from dataclasses import dataclass, replace

# Deviations of the observations' noise: that of all runs, and one as large as half of the objective's.
NOISE, LOUD = 0.1, 0.5
# Other libraries whose optimiser can run beside: none, or one that must be installed.
PEERS = ("none", "botorch")


@dataclass(frozen=True)
class Sizes:
    """The full study; networks by the names that `drawn_networks.maker` reads."""

    seeds: int = 16
    task: str = "digits"
    peer: str = PEERS[0]
    # Exactness: members, and networks of which one is fixed and the others drawn for each member.
    draws: int = 4000
    fixed: tuple[str, ...] = ("mlp", "pnn_skip", "ccp")
    fresh: tuple[str, ...] = ("pnn_skip",)
    fresh_width: int = 1024
    observed: int = 60
    unseen: int = 40
    exact_seeds: int = 5
    # Regret.
    width: int = 256
    initial: int = 5
    evaluations: int = 40
    candidates: int = 200
    batch: int = 4
    objectives: tuple[str, ...] = ("branin", "hartmann6", "svm", "images", "categorical")
    network_seeds: int = 16
    steps: int = 50
    # Products and their twins; the amplitude is chosen on objectives of other seeds.
    products: tuple[str, ...] = ("pnn_skip", "ccp")
    shares: tuple[float, ...] = (0.0, 1.0)
    amplitudes: tuple[float, ...] = (0.25, 0.5, 1.0)
    product_evaluations: int = 20


FEW = replace(Sizes(), seeds=4, exact_seeds=3, network_seeds=3, draws=1000, fixed=("mlp", "pnn_skip"), fresh_width=256)
FEWER = replace(FEW, width=64, evaluations=16, observed=30, unseen=20, candidates=60, steps=20, amplitudes=(1.0,))
QUICK = replace(FEWER, objectives=("svm", "categorical"), products=("pnn_skip",), product_evaluations=12)
LEAST = replace(QUICK, seeds=3, draws=100, fixed=("mlp",), fresh_width=16, width=8, evaluations=8, candidates=20)
TINY = replace(LEAST, observed=8, unseen=5, steps=2, product_evaluations=4, objectives=("images", "categorical"))

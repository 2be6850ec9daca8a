"""How large the extrapolation study is."""

from dataclasses import dataclass, replace

Networks = tuple[str, ...]


def twinned(*networks: str) -> Networks:
    """The networks, then their additive twins."""
    return *networks, *(f"{network}-sum" for network in networks)


CCP = tuple(f"ccp-{n}" for n in range(2, 11))


@dataclass(frozen=True)
class Sizes:
    """The full study; networks by the names that `networks.build` reads."""

    seeds: int = 5
    mnist: str | None = None
    line_networks: Networks = ("mlp", *twinned("pnn-2", "pnn-3", "pnn1-2", "pnn1-3", "pnn1-4"), *twinned(*CCP))
    helix_networks: Networks = ("mlp", *twinned("pnn1-3", "ccp-3", "ccp-10"))
    box_networks: Networks = ("mlp", *twinned("pnn-2", "pnn1-2", "ccp-2", "ccp-4"))
    dims: tuple[int, ...] = (2, 8)
    width: int = 64
    points: int = 128
    box_points: int = 256
    steps: int = 1000
    paper_epochs: tuple[int, ...] = (40, 1000)
    paper_mlp_width: int = 256
    sectors: tuple[int, ...] = (0, 90, 180)
    sum_networks: Networks = ("mlp", *twinned("pnn1-4", "ccp-4"))
    folds: tuple[str, ...] = ("low", "middle", "high")
    sum_width: int = 256
    pairs: int = 8192
    sum_steps: int = 600


LINES = ("mlp", "pnn-2", "pnn1-3", "pnn1-3-sum", "ccp-2", "ccp-3", "ccp-3-sum", "ccp-10", "ccp-10-sum")
BOXES = ("mlp", "pnn-2", "ccp-2", "ccp-2-sum")
FEW = replace(Sizes(), line_networks=LINES, box_networks=BOXES, folds=("high",), dims=(2,))
SHORT = replace(FEW, sum_networks=("mlp", *twinned("pnn1-4")), width=32, points=64, box_points=128, steps=400)
QUICK = replace(SHORT, paper_epochs=(40,), sum_width=64, pairs=4096, sum_steps=200)
FEWER = tuple(network for network in LINES if network not in ("pnn1-3", "pnn1-3-sum", "ccp-10-sum"))
LEAST = replace(QUICK, seeds=3, line_networks=FEWER, box_networks=BOXES[:3], helix_networks=("mlp", "ccp-3"))
SMALL = replace(LEAST, sectors=(0, 180), paper_epochs=(2,), paper_mlp_width=16, width=16, points=32, box_points=32)
TINY = replace(SMALL, steps=20, sum_width=16, pairs=512, sum_steps=10)

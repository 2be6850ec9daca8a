"""The study kit measures a paper's statements: cells, criteria, claims with verdicts, pages, charts; it knows no paper.

results = Study(Path("runs/mine"), "cpu").run(grid(trace, width=(64, 256), seed=(0, 1, 2)))
results.of(trace).by("width", "K")  # {64: [K of each seed], 256: [..]}
"""

from hpnets.study.cells import Cell, Study, grid
from hpnets.study.claims import Claim, Judged, labelled
from hpnets.study.criteria import (
    Above,
    Always,
    Below,
    Between,
    Criterion,
    Falls,
    Less,
    Never,
    Paired,
    Rises,
    Verdict,
)
from hpnets.study.figures import Figure, Picture, spread_table
from hpnets.study.pairs import PairedDifference, paired_difference
from hpnets.study.paper import Paper, Sizes
from hpnets.study.phase_maps import phase_map
from hpnets.study.results import Result, Results
from hpnets.study.run import run_study

__all__ = [
    "Above",
    "Always",
    "Below",
    "Between",
    "Cell",
    "Claim",
    "Criterion",
    "Falls",
    "Figure",
    "Judged",
    "Less",
    "Never",
    "Paired",
    "PairedDifference",
    "Paper",
    "Picture",
    "Result",
    "Results",
    "Rises",
    "Sizes",
    "Study",
    "Verdict",
    "grid",
    "labelled",
    "paired_difference",
    "phase_map",
    "run_study",
    "spread_table",
]

"""Learning rates over width, depth and degree, and sharpness beside: hpnets study lr_transfer --quick"""

from hpnets.papers.lr_transfer.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The loss is the cross-entropy, but of the linear net. Digits; `mlp`: 64-n-n-10, ReLU, no biases; `ccp-N`:
no activation; `skip-N`: `pnn_skip`, ReLU; `pinet`: two blocks, GroupNorm; `-sum`: the additive twin, on the same grid
of rates; `-copied`: each unit of the net of the base width, as often as the width needs. mup, ntk: `parametrisation`,
base width 32 (pinet 8). Deep networks are 64 wide with L branches: `resmlp-k`, of k layers a branch; `deep`: `ccp` of
degree L + 1; `deepskip`: `pnn_skip` of that degree; a = 0: mup, branches as they are; a = 1/2: depth_mup; a = 1:
completep. Best rate: the least training loss, mean over {seeds} seeds and the last tenth of {steps} steps at batch
{batch}, a diverged seed being infinite, on a grid of half octaves. SGD has no momentum. Sharpness: the largest
eigenvalue of D^1/2 H D^1/2 on {samples} digits on which the network trains with full batches at an eighth of the best
rate of its first size (base width, or L = 3 at a = 1/2) in a first run; D holds the rates' factors, times Adam's
preconditioner. Late: the steps after two thirds of {times}. Spread: the standard deviation of log10 sharpness over the
sizes. The MLP's statement is judged at other settings too (octaves below the best rate, digits): {swept}; statements
on other networks hold for an eighth only. Those on best rates have one number a size, from the mean over seeds.
Linear: f = V W x on Gaussian points of R^100, a linear teacher, 1/2 (f - y)^2."""

PAPER = Paper(
    package=__name__,
    title="Sharpness and learning-rate transfer over width, depth and degree",
    source='Noci, Meterez, Hofmann and Orvieto 2024, "Super Consistency of Neural Network Landscapes and Learning Rate '
    'Transfer" (arXiv 2402.17457)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
)

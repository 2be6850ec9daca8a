"""Learning rates over width, depth and degree, and sharpness beside: hpnets study lr_transfer --quick"""

from hpnets.papers.lr_transfer.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The loss is the cross-entropy, but of the linear net. Digits; `mlp`: 64-n-n-10, ReLU, no biases; `ccp-N`:
no activation; `skip-N`: `pnn_skip`, ReLU; `pinet`: two blocks, GroupNorm; `-sum`: the additive twin, on the same grid
of rates. mup, ntk: `parametrisation`, base width 32 (pinet 8). Deep networks are 64 wide with L branches: `resmlp-k`,
of k layers a branch; `deep`: `ccp` of degree L + 1; `deepskip`: `pnn_skip` of that degree; a = 0: mup, branches as
they are; a = 1/2: depth_mup; a = 1: completep. Best rate: the least training loss, mean over {seeds} seeds and the
last tenth of {steps} steps at batch {batch}, a diverged seed being infinite, on a grid of half octaves. Best rates
are of plain SGD. Sharpness: the largest eigenvalue of D^1/2 H D^1/2 on {samples} digits on which the network trains
with full batches, Adam or SGD with momentum 0.9 (the paper's is plain), at an eighth of the best rate of its first
size (base width, or L = 3 at a = 1/2) in a first run; D holds the rates' factors, times Adam's preconditioner. Late:
the steps after two thirds of {times}. Spread: the standard deviation of log10 sharpness over the sizes. The eighth
was chosen after looking: in a trial the MLP's late sharpness under mup at n = 32/128/256 was .08/.12/.15 at a quarter
of the best rate on 256 digits, so not consistent, 1.2/.96 (two widths) at a sixteenth, and .736/.754 at an eighth on
512. So the MLP's statement is judged at all of these (octaves below the best rate, digits): {swept} beside the
eighth; statements on other networks hold for an eighth only. Those on best rates have one number a size, from the
mean over seeds. Linear: f = V W x on Gaussian points of R^100, a linear teacher, 1/2 (f - y)^2. Thresholds of the
rise under ntk, of the explosion over depth and of k = 2 are those of trials up to n = 512 and L = 24; this run was
cut to n = 256 and L = 16 in full, and its sizes were lowered after it had begun, for want of time, before the results
were read: whether these statements fail for that reason is open."""

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

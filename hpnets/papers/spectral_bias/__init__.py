"""Which frequencies networks with Hadamard products learn first: hpnets study spectral_bias --quick"""

from hpnets.papers.spectral_bias.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """`pnn_skip`, N(0, 1) weights, no bias, n = {samples} points uniform on the sphere in R^10, the target a sum
of zonal harmonics of degree k = 1, 3, 4, 5, 8, 12 with amplitude 0.1, full-batch gradient descent on the mean squared
error, lr 0.0016. What was run of the paper's 30,000 steps at width 32,768: the whole schedule, and beyond it, of the
network linearised at its start, that is with its exact kernel at width {paper_width:,} (N in {paper_degrees}; all N,
and d = 3, at width {width:,}); of the network itself {net_steps} steps at widths {net_widths}, and {wide_steps} at
width {paper_width:,}, at lr = 0.5 / lambda_max. It is f - f_0 that is trained: f_0 alone is many times as large as the
target (see the table of steps). Eigenvalues are those of the infinitely wide network, by `hpnets.theory`; k counts as
learnt when half of its zonal coefficient is left in the residual, as "memorised" when that is so on training points and
not on held-out ones."""

PAPER = Paper(
    package=__name__,
    title="Spectral bias of networks with Hadamard products",
    source='the second half of Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product" '
    "(arXiv 2209.07736)",
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
)

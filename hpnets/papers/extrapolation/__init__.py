"""What networks with Hadamard products do outside their data: hpnets study extrapolation --quick"""

from hpnets.papers.extrapolation.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """`mlp`: two hidden ReLU layers; `pnn-N`: the product of N ReLU features of x, NTK-parametrised, hence
homogeneous; `pnn1-N`: the same of (x, 1); `ccp-N`: the polynomial net of degree N without activation; `-sum`: the
additive twin, with + in place of the Hadamard product, at the same rate (not tuned). Errors are RMSE / standard
deviation of y on the same points, so that 1 is what the best constant reaches. Unless said otherwise, training is
full-batch Adam, lr 0.01 falling to 0 as a half cosine, on x in units of half the training box and y standardised (for
`pnn-N`, which is 0 at 0, only scaled); float32, degrees outside measured in float64. Sizes: width {width}, points
{points} (in a box {box_points}), steps {steps}, MLP of the stated setting {paper_mlp_width}; sums: width {sum_width},
pairs {pairs}, steps {sum_steps}."""

PAPER = Paper(
    package=__name__,
    title="Extrapolation of networks with Hadamard products",
    source='the first half of Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product" '
    "(arXiv 2209.07736), measured on registered models",
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={"mnist": "folder with MNIST, for the sums, in place of scikit-learn's digits"},
)

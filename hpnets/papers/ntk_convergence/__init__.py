"""The kernel of a wide network, and training by it: hpnets study ntk_convergence --quick"""

from hpnets.papers.ntk_convergence.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The paper's own network: depth 4, ReLU, NTK parametrisation, beta = 0.1. Kernels by `hpnets.ntk.ntk` and
`hpnets.theory.limit_kernel`, predictions by `KernelPredictor`. In place of MNIST: {samples} of scikit-learn's digits,
standardised."""

PAPER = Paper(
    package=__name__,
    title="The neural tangent kernel at finite width",
    source='Jacot, Gabriel and Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural '
    'Networks" (arXiv 1806.07572)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
)

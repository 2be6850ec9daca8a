"""The smallest eigenvalue, and what networks memorise: hpnets study memorisation --quick"""

from hpnets.papers.memorisation.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """N or n points with N(0, 1) labels, by the `gaussian_points` task; P parameters. `mlp-s`: two hidden layers,
activation s, no biases; `pnn-N-s`, `skip-N-s`, `ccp-N-s`: `pnn`, `pnn_skip`, `ccp` of degree N; `-sum`: the additive
twin. Eigenvalues are of networks at their start, in float64, read-out weights N(0, 1) without a factor before them, by
`hpnets.ntk.lambda_min`; on the sphere those of the limit kernel. Trained are networks as the library draws them, by
full-batch Adam, {steps} steps, lr 1 / (10 sqrt(n)) falling to 0 as a half cosine, in float32; the pair of a product and
its twin at d = 10 at the best of that rate and {rates} times it. The paper's body could not be read: claims on its
statements are worded and bounded by us. Images: {task}; `--task fashion_mnist`, `mnist` or `cifar10` takes others,
whose files must lie where the task looks for them."""

PAPER = Paper(
    package=__name__,
    title="Memorisation: the smallest eigenvalue, and rank",
    source='Bombari, Amani and Mondelli 2022, "Memorization and Optimization in Deep Neural Networks with Minimum '
    'Over-parameterization" (arXiv 2205.10217)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={"task": "task with the images: digits, fashion_mnist, mnist, cifar10"},
)

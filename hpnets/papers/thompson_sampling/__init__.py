"""Thompson sampling by drawing and training networks: hpnets study thompson_sampling --quick"""

from hpnets.papers.thompson_sampling.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """Networks in the NTK parametrisation, without biases, width {width}: `mlp` (depth 2, ReLU), `pnn_skip` and
`ccp` (degree 2, ReLU), `-sum` the additive twin; scaled so that the limit kernel has mean 1 over the candidates (a
prior of variance 1, or of amplitude^2). Optimisers of `hpnets.bandits`: `linear` is STO-BNTS-Linear solved exactly,
`-quiet` without noise on the targets, `network-k` STO-BNTS trained k steps; `gp-ts` and `gp-ucb` use the limit kernel,
gp-ucb with the theorem's beta_t; beside them: {peer} (`--peer botorch`: its defaults). Objective, {initial} first
points and noise (deviation 0.1, or 0.5 where it is said) are the same for all methods of a seed. `draw`: a draw of the
limit kernel's GP on S^3; `branin`, `hartmann6`, `svm` (C and gamma on digits): points x of the box as (x, 1),
normalised; `images`: {task}, a hidden reward of the class; `categorical`: 6 variables of 4 levels, one half of the
variance interactions of two. Values of these have mean 0 and deviation 1 over the candidates, which takes as known
what a user would guess. The paper's body could not be read: thresholds and objectives are ours, and beta_t is that of
Chowdhury and Gopalan 2017 (arXiv 1704.00445)."""

PAPER = Paper(
    package=__name__,
    title="Thompson sampling with networks",
    source='Dai, Shu, Low and Jaillet 2022, "Sample-Then-Optimize Batch Neural Thompson Sampling" (arXiv 2210.06850)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={
        "task": "task with the images: digits, fashion_mnist, mnist, cifar10",
        "peer": "another library's optimiser beside them: none, or botorch (pip install 'hpnets[bandits]')",
    },
)

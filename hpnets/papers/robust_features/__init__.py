"""What a kernel says of adversarial robustness: hpnets study robust_features --quick"""

from hpnets.papers.robust_features.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """Two classes of a task ({data}), {train} training and {test} test samples, standardised; attacks in l_inf \
stay within the pixels' range, their radius is 0.05 of it, of digits 0.15; pgd takes {steps} steps of a quarter of the \
radius from a random start, on single features {feature_steps} of half. A machine is f = K(x, X) K^-1 y with targets \
-1 and 1, without ridge; its features are f_i = K(x, X) v_i l_i^-1 v_i^T y, of the largest eigenvalue first, of each \
group of ranks 5, evenly spread. `mlp-relu`: two hidden layers; `skip-N-relu`: pnn_skip of degree N; `ccp-3-none`: \
ccp of degree 3 without activation; `cnn`, `pinet`: {channels} channels, no norm, pinet at half of a larger image's \
resolution; `-sum`: the additive twin. Width 0 is the limit kernel, other widths the network's own at its start, in \
the standard parametrisation. Networks are trained by Adam on +-f with cross-entropy, in batches of 50; a product and \
its twin each at the best of {rates}, by validation loss. Equal clean accuracy: each at its first recorded epoch with \
the validation accuracy that both reach. Adversarial training takes a clean step and one on samples attacked by 5 \
steps of pgd. A feature that says one class has robust accuracy 1/2: the margin, mean y f / |f|, is 0 there. Centred: \
of HKH, without the mean direction, which holds nearly all of a kernel's squared norm."""

PAPER = Paper(
    package=__name__,
    title="Robust features: what a kernel says of attacks",
    source='Tsilivis and Kempe 2022, "What Can the Neural Tangent Kernel Tell Us About Adversarial Robustness?" '
    "(arXiv 2210.05577)",
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
)

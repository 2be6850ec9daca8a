"""Depth and degree as resources for telling two curves apart: hpnets study curves --quick"""

from hpnets.papers.curves.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The paper's body could not be read: its abstract says that depth is a fitting resource; the statements,
their formulas and thresholds are ours, derived in docs/concepts/certificates.md. Curves, by `hpnets.tasks.curves`:
coaxial circles z = +-0.05; sinusoids z = +-0.12 + 0.35 sin 6t; fourier-D, a random trigonometric curve of degree D in
R^10 and the same plus 1 / (2 D) in each coordinate, on the sphere; {task}-{among}: an image and the nearest of {among}
others, each less its mean and shifted around by t / (2 pi) of its width ({few_shifts} random points a curve, a pair a
draw; `--task fashion_mnist`, `mnist` or `cifar10` takes others, whose files must lie where the task looks for them).
Labels +-1. mlp: psi of depth L (`angle_kernel`); pnn, pnn_skip (ReLU) and ccp (none) of degree N: their limit NTK
(`limit_kernel`); pnn-sum: the additive twin of pnn. "Unit diagonal": the kernel divided by K(x, x), which is one
number on the sphere. Even points: {points} a curve, held out are the points between them; steps are of gradient
descent from 0 at the rate 1 / (2 lambda_max). Random points: {few} a curve, {draws} draws that all kernels share, at t
= infinity, held out are {points} even points a curve. Trained: full-batch descent on 1/(2N) sum (f - y)^2 at a rate in
units of 1 / lambda_max of K / N at the start, of one grid for a network and its twin, chosen on other even points."""

PAPER = Paper(
    package=__name__,
    title="Two curves on the sphere: what depth, degree and irregular samples do",
    source='Wang, Buchanan, Gilboa and Wright 2021, "Deep Networks Provably Classify Data on Curves" '
    "(arXiv 2107.14324)",
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={"task": "task with the images: digits, fashion_mnist, mnist, cifar10"},
)

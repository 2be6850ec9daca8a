"""How kernels move when images are attacked in training: hpnets study adversarial_evolution --quick"""

from hpnets.papers.adversarial_evolution.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The claims and thresholds are ours, worded after the paper's abstract, and calibrated before the study was
written. Images: {task} in the data's own box, {number} of training ({small_number} averaged to
{small_side}x{small_side} for pinet and starnet), {held} of test; attacks are l_inf, of radius {eps:g} ({digits_eps:g}
on digits) as a fraction of the range of pixels, by projected ascent, 5 gradients in training and 10 in tests (the
worst point of all that it tries). Clean training: Adam, batches of 128, {epochs} epochs ({small_epochs} for pinet and
starnet, {digits_epochs} for the mlp on digits); attacked training: each batch is a clean step, then a step on its
attacked images. conv: three convolutions of 16, 32 and 32 channels, lr {lr:g}; mlp: two layers of 128. ccp: degree 3;
-sum: the additive twin; a network and its twin each at its best rate of one grid, for each kind of training, chosen on
validation images (error, or error under attack). Kernels: trace, on 200 training images; c-: of HKH; rank: the
effective rank, exp of the entropy of the eigenvalues. Frozen kernels: linearised networks at the weights after t
epochs, Adam at {lr:g} for {frozen_epochs} epochs; centred: without the network's own outputs; BatchNorm stays as it
is."""

PAPER = Paper(
    package=__name__,
    title="Kernels under adversarial training: how they move, and what a frozen one keeps",
    source='Loo, Hasani, Amini and Rus 2022, "Evolution of Neural Tangent Kernels under Benign and Adversarial '
    'Training" (arXiv 2210.12030)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={"task": "task with the images: fashion_mnist, mnist or digits"},
)

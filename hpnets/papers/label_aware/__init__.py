"""Kernels that know labels, and kernels that learn them: hpnets study label_aware --quick"""

from hpnets.papers.label_aware.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """Pairs of classes, half of the images of each, y = -1 and 1, networks of one output in the standard
parametrisation, all on mean (f - y)^2. HR: `HRKernel` on the empirical kernel of a network at its start (float64,
width 256), {samples} training images or what there is, r in units of the mean of the kernel's diagonal; prediction by
the positive part and a ridge, f_0 subtracted, the ridge chosen on validation for each r from one grid; elasticity over
test images. NTH: `nth_kernel` of tanh networks of two hidden layers, {points} training and as many other images,
averaged to 8x8, less their mean; {draws} networks a seed, each trained on y and on -y until the loss is 1e-5 of its
start. Training: Adam, batch 128; mlp (two hidden layers, ReLU), ccp (degree 3, no activation; -relu: ReLU) of width
256, {images} images, {epochs} epochs; pinet and starnet, 8 wide, {conv_images} images of {side}x{side}, {conv_epochs}
epochs; -sum: the additive twin, that of ccp without activation a linear map. Rates {rates} ({conv_rates}): each
network and each twin at its own best on validation, pair by pair. Elasticity is measured over {probe} test images in
float64 (BatchNorm's statistics of training images), of steps over {steps}. The paper's body could not be read: features
of pairs, settings and thresholds are ours."""

PAPER = Paper(
    package=__name__,
    title="Kernels that know labels, and kernels that learn them",
    source='Chen, He and Su 2020, "Label-Aware Neural Tangent Kernel: Toward Better Generalization and Local '
    'Elasticity" (arXiv 2010.11775)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
)

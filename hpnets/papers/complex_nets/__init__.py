"""What complex numbers, and their products, change in a kernel: hpnets study complex_nets --quick"""

from hpnets.papers.complex_nets.sizes import QUICK, TINY, Sizes
from hpnets.study import Paper

SETTING = """The paper's body could not be read: its abstract says that complex networks trained with split activations
behave as real ones; the statements, their formulas and thresholds are ours, derived in
docs/concepts/complex-kernels.md. Complex networks read [Re z; Im z] as complex numbers and end in a real read-out;
mlp: complex_mlp of two hidden layers; mult-N, skip-N: complex_ccp of N factors s(U_n z), without and with its skip;
-sum: its additive twin; "real": mlp, pnn or pnn_skip on [Re z; Im z], with the same function of both parts. All are in
the NTK parametrisation, with what starts at a constant held there. Points: uniform on |z|^2 = d, d = {dim}. Kernels
over width: {points} points, medians of the seeds. Witness: w(s) = T(z, z') / (T(z, z) T(z', z'))^1/2 at <z, z'> / d =
0.3 + is, s = 0, 0.4, 0.8, of mean kernels of width {witness_width}. Pairs: {gap_steps} steps of descent on
{gap_points} points at 1 / l_max of each own kernel, y = 2 Re z1 Re z2 + Re z1. Learnt: d = {small}, relative errors on
{held} points. Adam: {steps} steps, width {width}; a network and its twin each at its best rate of one grid, chosen on
validation. Images ({task}): {images} for training, as many for the test, each shifted on the torus at random, half of
their Fourier coefficients; `--task` takes others."""

PAPER = Paper(
    package=__name__,
    title="Complex networks: which are real ones in disguise, and what a complex product sees",
    source='Tan, Xie, Liao and Zhou 2022, "Real-Valued Backpropagation is Unsuitable for Complex-Valued Neural '
    'Networks" (NeurIPS)',
    setting=SETTING,
    sizes=Sizes(),
    quick=QUICK,
    tiny=TINY,
    options={"task": "task with the images: digits, fashion_mnist, mnist, cifar10"},
)

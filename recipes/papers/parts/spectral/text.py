"""What the page of the spectral bias study says before its verdicts."""

from typing import TYPE_CHECKING

from recipes.papers.parts.spectral.harmonics import HARMONICS
from recipes.papers.parts.spectral.measures import LR, STEPS, Found, above

if TYPE_CHECKING:
    from recipes.papers.spectral_bias import Sizes


def about(found: Found, sizes: "Sizes") -> str:
    """What was run, and the two traps."""
    widths, low = ", ".join(map(str, sizes.net_widths)), ", ".join(map(str, sizes.paper_degrees))
    return f"""The second half of Wu et al. 2022, "Extrapolation and Spectral Bias of Neural Nets with Hadamard Product"
(arXiv 2209.07736): `pnn_skip`, N(0, 1) weights, no bias, n = {sizes.samples} points uniform on the sphere in R^10, the
target a sum of zonal harmonics of degree k = {", ".join(map(str, HARMONICS))} with amplitude 0.1, full-batch gradient
descent on the mean squared error, lr {LR}.

What was run of the paper's {STEPS:,} steps at width 32,768: the whole schedule, and beyond it, of the network
linearised at its start, that is with its exact kernel at width {sizes.paper_width:,} (degrees N = {low}; all N, and
d = 3, at width {sizes.width:,}); of the network itself {sizes.net_steps} steps at widths {widths}, and
{sizes.wide_steps} at width {sizes.paper_width:,}, at lr = 0.5 / lambda_max. It is f - f_0 that is trained: f_0 alone is
many times as large as the target (see the table of steps). Eigenvalues are those of the infinitely wide network, by
`hpnets.theory`; k counts as learnt when half of its zonal coefficient is left in the residual, as "memorised" when that
is so on training points and not on held-out ones.

{traps(found, sizes)}"""


def traps(found: Found, sizes: "Sizes") -> str:
    """Traps 1 and 2 in two sentences each, with what was measured."""
    dim, window = sizes.spectrum_dims[0], "-".join(map(str, sizes.windows[-1]))
    fits = {n: found[f"spectrum-{dim}-{n}"]["decay"][window] for n in sizes.degrees}
    exponents = ", ".join(f"{a:.2f} (N = {n})" for n, a in fits.items() if a is not None)
    low, high = sizes.paper_degrees
    a, b = (found[f"spectrum-10-{n}"] for n in (low, high))
    raw, scale = b["eigenvalues"][5] / a["eigenvalues"][5], b["trace"] / a["trace"]
    return f"""**Trap 1.** Degree does not change the asymptotic exponent: on the sphere in R^d eigenvalues fall as k^-d
for every N, measured on k = {window} at d = {dim} as k^-a with a = {exponents}. What degree changes is the rest: odd
k >= 3 are no longer zero, and the share of the trace in k > 2 at d = 10 goes from {above(a, 2):.3f} at N = {low} to
{above(b, 2):.3f} at N = {high}.

**Trap 2.** The raw spectrum is confounded by scale: at d = 10 lambda_5 grows {raw:,.0f}-fold from N = {low} to {high},
but K(x, x) itself {scale:,.0f}-fold, so that of the trace it grows {raw / scale:.1f}-fold. So both are given, raw and
trace-normalised, and speeds both at one learning rate and at rates scaled by 1 / lambda_max."""

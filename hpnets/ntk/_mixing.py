"""Large weights' gradients are compared by a few random sums of their rows, M g, which factors give without forming g.

With M (MIXED, rows) of independent normal numbers of variance 1 / MIXED, |M g|^2 is |g|^2 in the mean, and less than
e^2 |g|^2 with a probability of at most about 2 e^4, whatever g is (a chi-square of 4 degrees, if g has rank 1).
"""

from torch import Tensor

from hpnets.ntk._functional import Params
from hpnets.ntk._terms import Term

# So many sums are formed: of a gradient that is wrong by a hundredth, less than 3e-4 is seen twice in a million times.
MIXED = 4


def draw_mixes(terms: tuple[Term, ...], params: Params) -> Params:
    """M (MIXED, H) for each weight (H, ...) whose term gives M g without forming g; weights of as many rows share M."""
    drawn: dict[int, Tensor] = {}
    mixes = {}
    for name in (name for term in terms for name in term.mixable(params)):
        p = params[name]
        if len(p) not in drawn:
            drawn[len(p)] = p.new_empty(MIXED, len(p)).normal_(std=MIXED**-0.5)
        mixes[name] = drawn[len(p)]
    return mixes


def mixed(M: Tensor, g: Tensor) -> Tensor:
    """M g, flattened, for g (H, ...) in any layout of memory, whose other axes are multiplied in that order."""
    if g.is_contiguous():
        return (M @ g.flatten(1)).flatten()
    order = [0, *sorted(range(1, g.ndim), key=g.stride, reverse=True)]
    laid_out = g.permute(order)
    product = (M @ laid_out.flatten(1)).view(len(M), *laid_out.shape[1:])
    return product.permute([order.index(axis) for axis in range(g.ndim)]).flatten()

"""The rank of the NTK of product networks without activation: how many labels they can memorise, whatever the width."""

from math import comb

from hpnets.validate import at_least, one_of

MODELS = ("pnn", "pnn_skip", "ccp")


def product_rank(model: str, degree: int, dim: int, width: int, points: int, *, sphere: bool = False) -> int:
    r"""The rank of the NTK of one output at `points` generic inputs, for generic weights and no activation.

    For N = degree, d = dim, m = width, n = points, N >= 3:

        pnn: min(n, C(d+N-1, N), m (N (d-1) + 1));   pnn_skip: min(n, C(d+N, N) - 1, m N d)

    ccp, which has the skip, is pnn_skip with the constant of its output bias: one more before the minimum with n. With
    N = 2 both are defective, r = min(2 m, d): pnn: min(n, r d - r (r-1)/2), pnn_skip: 2 m d - C(2m-1, 2) while
    2 m <= d. sphere: inputs of norm 1, on which |x|^2 = 1 leaves C(d+N-1, N) + C(d+N-2, N-1) functions with the skip.

    The first term is the number of rows; the second, of monomials; the third, of parameters less the ways to scale a
    factor up and another down. That the minimum is attained is proven for N <= 2, and is a conjecture for N >= 3 (the
    secant varieties of products of linear forms are not defective), which the tests hold exactly on a grid.

    Raises ValueError for another model, or a number below 1.
    """
    N, d, m, n = (
        at_least(name, value, 1)
        for name, value in (("degree", degree), ("dim", dim), ("width", width), ("points", points))
    )
    skip = one_of("model", model, MODELS) != "pnn"
    bias = int(model == "ccp")
    if N == 1:
        return min(n, d + bias)
    functions = _functions(N, d, skip, sphere) + (bias if not sphere else 0)
    return min(n, functions, _directions(N, d, m, skip) + bias)


def _functions(N: int, d: int, skip: bool, sphere: bool) -> int:
    """The dimension of the space that f lies in."""
    if not skip:
        return comb(d + N - 1, N)
    return comb(d + N - 1, N) + comb(d + N - 2, N - 1) if sphere else comb(d + N, N) - 1


def _directions(N: int, d: int, m: int, skip: bool) -> int:
    """The dimension of the tangent space of m units, without regard to the space that they lie in."""
    if N > 2:
        return m * N * d if skip else m * (N * (d - 1) + 1)
    if not skip:
        r = min(2 * m, d)
        return r * d - r * (r - 1) // 2
    return 2 * m * d - comb(2 * m - 1, 2) if 2 * m <= d else comb(d + 2, 2) - 1

"""Matrix-free algebra of symmetric operators: eigenvalues, densities, low rank, solves; each with its residuals."""

from hpnets.linalg._density import Density, density
from hpnets.linalg._lanczos import Ritz, lanczos
from hpnets.linalg._low_rank import LowRank, low_rank
from hpnets.linalg._matrix_function import MatrixFunction, apply_function
from hpnets.linalg._norms import norms
from hpnets.linalg._operators import StoredKernel, SymmetricOperator, as_operator, product, rows_of, square
from hpnets.linalg._solve import Solution, solve
from hpnets.linalg._spectrum import DENSE_ROWS, Eigenvalues, Spectrum, eigenvalues, spectrum
from hpnets.linalg._tiles import tiles
from hpnets.linalg._trace import Trace, trace

__all__ = [
    "DENSE_ROWS",
    "Density",
    "Eigenvalues",
    "LowRank",
    "MatrixFunction",
    "Ritz",
    "Solution",
    "Spectrum",
    "StoredKernel",
    "SymmetricOperator",
    "Trace",
    "apply_function",
    "as_operator",
    "density",
    "eigenvalues",
    "lanczos",
    "low_rank",
    "norms",
    "product",
    "rows_of",
    "solve",
    "spectrum",
    "square",
    "tiles",
    "trace",
]

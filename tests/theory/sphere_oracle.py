"""Eigenvalues on the sphere to 40 digits: `python tests/theory/sphere_oracle.py` writes eigenvalues.json beside it.

Independent of hpnets.theory: mpmath's quadrature, C_k^((d-2)/2) by its own recurrence, and c_d in Gamma functions.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

DIGITS = 40
FILE = Path(__file__).with_name("eigenvalues.json")
NAMES, DEGREES, DIMS = ("two_layer", "product3", "skip3"), (8, 16, 32, 64), (3, 5, 10)


def kernels(mp: Any) -> dict[str, Callable[[Any], Any]]:
    """kappa as functions of the angle."""

    def k0(a: Any) -> Any:
        return (mp.pi - a) / (2 * mp.pi)

    def k1(a: Any) -> Any:
        return (mp.sin(a) + (mp.pi - a) * mp.cos(a)) / (2 * mp.pi)

    def skip3(a: Any) -> Any:
        t, q = mp.cos(a), 1 + 2 / mp.sqrt(2 * mp.pi) + k1(a)
        return 2 * ((k1(a) + t * k0(a)) * q**2 + 2 * k1(a) * t * k0(a) * q)

    def product3(a: Any) -> Any:
        return 2 * (k1(a) ** 3 + 3 * mp.cos(a) * k0(a) * k1(a) ** 2)

    return {"two_layer": lambda a: 2 * (k1(a) + mp.cos(a) * k0(a)), "product3": product3, "skip3": skip3}


def eigenvalue(name: str, dim: int, k: int) -> str:
    """lambda_k as text of 30 digits."""
    import mpmath as mp

    with mp.workdps(DIGITS + 10):
        kappa, half = kernels(mp)[name], mp.mpf(dim - 2) / 2

        def p(t: Any) -> Any:
            before, now = mp.mpf(1), 2 * half * t
            for n in range(1, k):
                before, now = now, (2 * (n + half) * t * now - (n + 2 * half - 1) * before) / (n + 1)
            return now / mp.binomial(k + dim - 3, k)

        density = mp.gamma(mp.mpf(dim) / 2) / (mp.sqrt(mp.pi) * mp.gamma(mp.mpf(dim - 1) / 2))
        pieces = mp.linspace(0, mp.pi, k // 8 + 2)
        value = mp.quad(lambda a: kappa(a) * p(mp.cos(a)) * mp.sin(a) ** (dim - 2), pieces, method="gauss-legendre")
        return mp.nstr(density * value, 30)


if __name__ == "__main__":
    table = {f"{n} {d} {k}": eigenvalue(n, d, k) for n in NAMES for d in DIMS for k in DEGREES}
    FILE.write_text(json.dumps(table, indent=1) + "\n")

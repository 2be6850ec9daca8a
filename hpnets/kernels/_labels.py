"""Checks of what label-aware kernels take: labels, and a kernel of their points that can be inverted."""

from torch import Tensor

from hpnets.linalg import Spectrum, rows_of, spectrum


def check_labels(labels: object, n: int, classes: int | None = None) -> Tensor:
    """The labels; ValueError unless they are integers (n,) of two classes or more, of exactly `classes` if given."""
    fits = isinstance(labels, Tensor) and labels.shape == (n,) and not labels.is_floating_point()
    if not fits or (isinstance(labels, Tensor) and labels.is_complex()):
        given = (
            f"{labels.dtype} of shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        )
        raise ValueError(f"labels is {given}; allowed: a tensor of integers ({n},), the class of each point")
    assert isinstance(labels, Tensor)
    seen = len(labels.unique())
    if seen < 2 or (classes is not None and seen != classes):
        wanted = "2 or more" if classes is None else f"exactly {classes}"
        raise ValueError(f"labels has {seen} class{'' if seen == 1 else 'es'}; allowed: {wanted}")
    return labels


def invertible(kernel: Tensor) -> Spectrum:
    """The decomposition of K(X, X); ValueError unless its least eigenvalue lies above its rounding."""
    decomposed = spectrum(kernel, method="dense")
    smallest = float(decomposed.eigenvalues[-1])
    if not smallest > decomposed.floor:
        raise ValueError(
            f"the kernel of these {rows_of(kernel)} points is singular: its least eigenvalue is {smallest:.3g}, where "
            f"rounding is {decomposed.floor:.1g}; allowed: a kernel that is invertible before labels are added: points "
            "without repetitions, more parameters than points, float64"
        )
    return decomposed

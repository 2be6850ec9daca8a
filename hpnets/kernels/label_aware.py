"""Kernels that know labels by regression: whether two labels agree, told by features of the two points."""

from typing import NamedTuple

import torch
from torch import Tensor

from hpnets.kernels._labels import check_labels, invertible
from hpnets.kernels.gaussian_process import KernelFunction
from hpnets.linalg import spectrum
from hpnets.validate import at_least, finite, require_shape


class HRKernel:
    r"""K(x, x') + r Z(x, x'), Z in units of the kernel: a regression of y_i y_j on features of pairs of points.

        Z(x, x') = c (w_0 + sum_k w_k phi_k(x, x'))
        w = argmin sum_(i<j) (y_i y_j - w_0 - sum_k w_k phi_k(x_i, x_j))^2
        phi = K(x, x'), <x, x'>, cos(x, x'), |x - x'|^2, p_k p'_k, |p_k - p'_k|,   k = 1..components
        c = mean K(x_i, x_i)

    y_i y_j stands for 1 where two labels agree and -1 where they do not, for any number of classes; p are the principal
    components of the training points. So r is without units, and r = 0 is K bit for bit. Larger r draws points of
    one class together, by the regression's guess alone where labels are not known. Z has negative eigenvalues, so
    K + r Z turns indefinite as r grows: `positive_part` says how much of it is negative and takes that away.

        hr = HRKernel(kernel, x, labels)
        train, cross = hr(x, x, r=0.01), hr(test, x, r=0.01)

    Args:
        kernel: a function k(x1, x2) of points that returns K (N1, N2), such as `limit_kernel(net, a, b).ntk`.
        x: the training points (N, *shape), flattened for the features.
        labels: integers (N,), of two classes or more.
        components: how many principal components pairs are compared in.

    Raises ValueError for labels that are none, for a kernel that is singular on the training points, for a number of
    components that is not 1 to min(N - 1, dimensions).
    Source: Chen, He and Su 2020 (arXiv 2010.11775), section 3.1; the features are ours.
    """

    def __init__(self, kernel: KernelFunction, x: Tensor, labels: Tensor, *, components: int = 5) -> None:
        labels = check_labels(labels, len(x)).to(x.device)
        most = min(len(x) - 1, x[0].numel())
        if at_least("components", components, 1) > most:
            raise ValueError(f"components is {components}; allowed: 1 to {most}, for {len(x)} points of {x[0].numel()}")
        K = kernel(x, x)
        require_shape(K.shape == (len(x), len(x)), "kernel(x, x)", K, f"({len(x)}, {len(x)})")
        invertible(K)
        self.kernel, self.scale = kernel, float(K.diagonal().double().mean())
        points = x.flatten(1).double()
        self.mean = points.mean(0)
        self.axes = torch.linalg.svd(points - self.mean, full_matrices=False).Vh[:components].T
        self.weights = self._fit(self.features(x, x, K), labels)

    def __call__(self, x1: Tensor, x2: Tensor, r: float) -> Tensor:
        """K(x1, x2) + r Z(x1, x2), (N1, N2); raises ValueError unless r is finite and >= 0."""
        r = finite("r", r, minimum=0)
        K = self.kernel(x1, x2)
        return K if r == 0 else K.double() + r * self.scale * self.similarity(x1, x2, K)

    def similarity(self, x1: Tensor, x2: Tensor, K: Tensor | None = None) -> Tensor:
        """The regression's guess of y y' for all pairs, (N1, N2), float64; K: their kernel, if it is known."""
        phi = self.features(x1, x2, self.kernel(x1, x2) if K is None else K)
        return phi @ self.weights.to(phi)

    def features(self, x1: Tensor, x2: Tensor, K: Tensor) -> Tensor:
        """1 and phi of all pairs, (N1, N2, 5 + 2 components), float64."""
        a, b = (x.flatten(1).double() for x in (x1, x2))
        inner = a @ b.T
        sizes = a.norm(dim=1)[:, None] * b.norm(dim=1)
        square = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * inner).clamp_min(0)
        cosine = inner / sizes.clamp_min(torch.finfo(torch.float64).tiny)
        p, q = (((x - self.mean) @ self.axes) for x in (a, b))
        each = (torch.ones_like(inner), K.double(), inner, cosine, square)
        products, apart = p[:, None] * q, (p[:, None] - q).abs()
        return torch.cat([torch.stack(each, dim=2), products, apart], dim=2)

    def _fit(self, phi: Tensor, labels: Tensor) -> Tensor:
        """w, by least squares on all pairs i < j; of least norm where it is not unique."""
        i, j = torch.triu_indices(len(labels), len(labels), 1).to(labels.device)
        agree = torch.where(labels[i] == labels[j], 1.0, -1.0).to(phi)
        rows = phi[i, j]
        size = rows.norm(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
        # "gelsd" takes features that depend on each other, which run on the CPU alone.
        fitted = torch.linalg.lstsq((rows / size).cpu(), agree.cpu()[:, None], driver="gelsd").solution[:, 0]
        return fitted.to(size) / size


class PositivePart(NamedTuple):
    """K_+ (N, N) and the cross kernel (M, N) that goes with it, float64; what was negative.

    share: sum |l_i| over negative eigenvalues, divided by that over all. least: the least eigenvalue over the largest.
    """

    kernel: Tensor
    cross: Tensor | None
    share: float
    least: float


def positive_part(kernel: Tensor, cross: Tensor | None = None) -> PositivePart:
    r"""The nearest positive semi-definite matrix to a symmetric K = V l V^T, and cross kernels projected likewise.

        K_+ = V max(l, 0) V^T,   K_+(x, X) = K(x, X) P,   P the projection on the eigenvectors with l > 0

    So that `KernelPredictor(K_+, y)` takes an indefinite kernel, whose regression has no minimum, and predicts by
    K_+(x, X). kernel: K(X, X) (N, N). cross: K(x, X) (M, N). Raises ValueError for a K that is not symmetric or finite,
    for cross kernels of another width, and for a K without a positive eigenvalue.
    """
    whole = spectrum(kernel, method="dense")
    l, V = whole.eigenvalues, whole.vectors
    if not float(l[0]) > 0:
        raise ValueError(f"the kernel's largest eigenvalue is {float(l[0]):.3g}; allowed: above 0")
    fits = cross is None or (cross.ndim == 2 and cross.shape[1] == len(l))
    require_shape(fits, "cross", cross, f"(M, {len(l)})")
    # Within rounding of 0 neither sign means anything: such directions are left out as well.
    kept = V[:, l > whole.floor]
    projected = None if cross is None else cross.to(V) @ kept @ kept.T
    negative = l.clamp_max(0).abs().sum() / l.abs().sum()
    return PositivePart((kept * l[l > whole.floor]) @ kept.T, projected, float(negative), float(l[-1] / l[0]))

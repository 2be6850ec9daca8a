"""Parity of digits with noise of one frequency in the labels: how much of each a network and its kernel fit."""

from typing import Any

import torch
from torch import Tensor, nn

from hpnets.kernels import KernelPredictor
from hpnets.ntk import ntk
from hpnets.papers.parts.descent import descend_from_start, top_eigenvalue
from hpnets.study import Figure, Results, spread_table

TEXT = """Parity of {samples} digits (+-1) plus sqrt(2) sin(2 pi k s), s the first principal component scaled to \
[0, 1], k the frequency: the share of each that is fitted after {steps} steps of lr = {at_once} / lambda_max, width \
{width}; the same of the linearised network; its squared error to the clean test labels."""
COLUMNS = {
    "clean": ("clean",),
    "noise": ("noise",),
    "clean, linearised": ("linear", "clean"),
    "noise, linearised": ("linear", "noise"),
    "test error": ("test",),
}


def fit_noise(net: nn.Module, data: tuple[Tensor, ...], steps: int, at_once: float) -> dict[str, Any]:
    """Train f - f0 on clean + noise labels, data of `noisy_parity`, with lr = at_once / lambda_max of K / n.

    "noise", "clean": how much of each was fitted, the least-squares coefficients of f on the two, after `steps`;
    "linear" the same with the kernel of the start; "test": mean squared error to the clean labels of test digits, of
    the linearised network.
    """
    x, clean, noise, x_test, clean_test = data
    K, cross = ntk(net, x, outputs="trace"), ntk(net, x_test, x, outputs="trace")
    lr, y = at_once / top_eigenvalue(K), clean + noise
    (f,) = descend_from_start(net, x, y, lr, steps, [steps])
    predictor = KernelPredictor(K, y)
    c = predictor.descent(steps, 2 * lr)
    parts = torch.cat([clean, noise], 1).double()
    fitted, linear = (torch.linalg.lstsq(parts, g.double()).solution[:, 0] for g in (f, predictor.test(c, K)))
    test = (predictor.test(c, cross) - clean_test).square().mean()
    fit, line = (dict(zip(("clean", "noise"), g.tolist(), strict=True)) for g in (fitted, linear))
    return {**fit, "linear": line, "test": float(test)}


def fitted_noise(results: Results) -> dict[int, dict[int, list[float]]]:
    """By the degree of the network and the frequency, the share of the noise that was fitted, of each seed."""
    return {degree: of.by("frequency", "noise") for degree, of in results.split("degree").items()}


def noise_figure(results: Results) -> Figure:
    """Of what `fit_noise` measured: a row for each degree of the network and frequency."""
    table = spread_table(results, ("degree", "frequency"), COLUMNS, ".2g")
    return Figure("Label noise on digits", TEXT.format(**results.items[0].options), *table)

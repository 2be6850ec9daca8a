"""Kernels by regression on labels of two classes of images: their elasticity, and what they predict."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from hpnets.kernels import HRKernel, KernelPredictor, positive_part
from hpnets.ntk import ntk
from hpnets.ntk.metrics import elasticity
from hpnets.papers.parts.elastic_nets import drawn, shown
from hpnets.papers.parts.image_pairs import Part, image_pair

Measured = dict[str, Any]
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # in units of the mean of the kernel's diagonal


def regression(
    network: str, pair: str, seed: int, samples: int, held: int, strengths: list[float], device: str
) -> Measured:
    """HR at each r: elasticity over test images and training images, accuracy, how much of the kernel is negative."""
    parts = [p._replace(x=p.x.double().to(device)) for p in image_pair(pair, (samples, held, held), seed)]
    net = drawn(network, parts[0].x.shape[1:], seed).double().to(device).eval()
    (x, labels), validation, test = parts
    hr, made = HRKernel(lambda a, b: ntk(net, a, b, outputs=0), x, labels.to(device)), {}
    for r in strengths:
        K, own = hr(x, x, r), hr(test.x, test.x, r)
        part = positive_part(K, torch.cat([hr(p.x, x, r) for p in (validation, test)]))
        right = best_ridge(part.kernel, part.cross, parts)  # type: ignore[arg-type]
        made[f"{r:g}"] = {
            **shown(elasticity(own, test.labels.to(device))),
            "training ratio": elasticity(K, labels.to(device)).ratio,
            "accuracy": right,
            "negative": part.share,
        }
    exact = torch.equal(hr(test.x, x, 0), ntk(net, test.x, x, outputs=0))
    return {"by r": made, "exact": exact}


def best_ridge(K: torch.Tensor, cross: torch.Tensor, parts: Sequence[Part]) -> float:
    """The test accuracy at the ridge of least validation error; `cross` has validation's rows, then those of test."""
    train, validation, test = parts
    errors = []
    for ridge in RIDGES:
        fitted = KernelPredictor(K, train.y.to(K), ridge=ridge * float(K.diagonal().mean())).flow(math.inf)
        f, g = (cross @ fitted.values)[:, 0].split([len(validation.x), len(test.x)])
        right = ((g > 0) == test.labels.to(K.device).bool()).double().mean()
        errors.append((float((f - validation.y[:, 0].to(K)).square().mean()), float(right)))
    return min(errors)[1]

"""Cells of the spectral bias study; one network each, but for the eigenvalues."""

from typing import Any

import torch
from torch import nn

from hpnets.models import create_model
from hpnets.papers.parts.harmonics import sphere_data, train_linearised, train_network
from hpnets.papers.parts.noisy_labels import fit_noise
from hpnets.papers.parts.spectra import limit_spectrum
from hpnets.papers.spectral_bias.sizes import Sizes
from hpnets.study import Cell, grid
from hpnets.tasks.label_noise import noisy_parity

Measured = dict[str, Any]


def cells(sizes: Sizes) -> list[Cell]:
    """The cells, in their order."""
    seeds, windows = tuple(range(sizes.seeds)), [list(window) for window in sizes.windows]
    same = {"seed": seeds, "samples": sizes.samples}
    network = {"dim": 10, **same, "at_once": 0.5}
    label = {"seed": seeds, "width": sizes.label_width, "samples": sizes.label_samples, "steps": sizes.label_steps}
    made = grid(eigenvalues, dim=sizes.spectrum_dims, degree=sizes.degrees, k_max=sizes.k_max, windows=windows)
    made += grid(linear_training, dim=sizes.dims, degree=sizes.degrees, width=sizes.width, **same)
    made += grid(linear_training, dim=10, degree=sizes.paper_degrees, width=sizes.paper_width, **same)
    made += grid(network_training, degree=sizes.net_degrees, width=sizes.net_widths, steps=sizes.net_steps, **network)
    made += grid(network_training, degree=3, width=sizes.paper_width, steps=sizes.wide_steps, **network)
    return made + grid(label_noise, degree=sizes.label_degrees, frequency=sizes.frequencies, at_once=0.5, **label)


def make_net(dim: int, degree: int, width: int, seed: int, device: str) -> nn.Module:
    """pnn_skip, drawn on the CPU."""
    torch.manual_seed(seed)
    return create_model("pnn_skip", input_shape=(dim,), output_dim=1, degree=degree, width=width).to(device)


def eigenvalues(dim: int, degree: int, k_max: int, windows: list[list[int]], device: str) -> Measured:
    """The spectrum of the limit kernel of pnn_skip; see `limit_spectrum`."""
    return limit_spectrum(make_net(dim, degree, 1, 0, "cpu"), dim, k_max, windows)


def linear_training(dim: int, degree: int, width: int, seed: int, samples: int, device: str) -> Measured:
    """Training with the network's kernel held fixed; see `train_linearised`."""
    return train_linearised(make_net(dim, degree, width, seed, device), sphere_data(dim, samples, seed, device))


def network_training(dim: int, degree: int, width: int, seed: int, samples: int, device: str, **plan: Any) -> Measured:
    """Training of the network itself; plan: `steps` and `at_once` of `train_network`."""
    return train_network(make_net(dim, degree, width, seed, device), sphere_data(dim, samples, seed, device), **plan)


def label_noise(degree: int, frequency: int, seed: int, width: int, samples: int, device: str, **plan: Any) -> Measured:
    """Parity of digits (+-1) plus sin(2 pi k s), s in [0, 1] the first principal component; see `fit_noise`."""
    data = tuple(part.to(device) for part in noisy_parity(frequency, samples, seed))
    return fit_noise(make_net(data[0].shape[1], degree, width, seed, device), data, **plan)

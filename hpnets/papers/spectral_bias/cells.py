"""All cells of the spectral bias study, in order."""

from hpnets.papers.spectral_bias.harmonics import eigenvalues, label_noise, linear_training, network_training
from hpnets.papers.spectral_bias.sizes import Sizes
from hpnets.study import Cell, grid


def cells(sizes: Sizes) -> list[Cell]:
    """The cells; one network each, but for the eigenvalues."""
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

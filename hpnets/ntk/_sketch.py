"""Algorithm `sketch`: an unbiased estimate of a kernel from random tangents, in forward mode only, with its error."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpnets.ntk._budget import numel, parse_bytes, rows_that_fit
from hpnets.ntk._checks import check_eval_mode, check_finite, check_inputs, check_output, check_types
from hpnets.ntk._functional import Params
from hpnets.ntk._output_selection import Outputs, OutputSelection, select_outputs
from hpnets.ntk._planning import parameters_of, plain_tensor
from hpnets.ntk._products import Products, proven_products
from hpnets.ntk._state import undisturbed
from hpnets.ntk._survey import saved_scalars
from hpnets.ntk._tiling import chunks
from hpnets.ntk._wrappers import eager


@dataclass(frozen=True)
class Sketch:
    """An estimate of a kernel, and the standard error of each entry, both in the shape of the output selection."""

    kernel: Tensor
    standard_error: Tensor
    samples: int


def sketch(
    net: nn.Module,
    x: Tensor,
    *,
    outputs: Outputs,
    samples: int,
    seed: int,
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
) -> Sketch:
    r"""K ~ 1/k sum_s (J v_s)(J v_s)^T, v_s ~ N(0, I): unbiased; the error falls as 1/sqrt(k).

    samples: k >= 2, the number of tangents. seed: the seed of the sketch's own generator. The other arguments are those
    of `ntk`; `memory` bounds the forward passes. The standard error is sqrt(variance / k), with the sample variance
    over the tangents; it is about sqrt((K_aa K_bb + K_ab^2) / k).

    Raises ValueError as `ntk` does, and for samples < 2.
    """
    if samples < 2:
        raise ValueError(f"samples is {samples}; allowed: >= 2, as one has no error bar")
    check_types(params, x)
    net = eager(net)
    with undisturbed(net, x.device):
        theta, x = parameters_of(net, params), plain_tensor(x)
        check_inputs(net, theta, x, None)
        check_eval_mode(net)
        selection = select_outputs(outputs, check_output(net, theta, x), x)
        saved = saved_scalars(net, theta, x)
        # Value and tangent of one layer's input and output are alive at once; `saved`, of all layers, bounds each.
        tangents = numel(theta) * x.element_size()
        rows = rows_that_fit(4 * saved * x.element_size(), max(parse_bytes(memory) - tangents, 1), len(x))
        products = proven_products(net, theta, x, selection, rows)
        mean, squares = _moments(products, theta, x, selection, samples, seed, rows)
    variance = (squares / samples - mean.square()).clamp_min_(0) / (samples - 1)
    return Sketch(check_finite(selection.shaped(mean)), selection.shaped(variance.sqrt_()), samples)


def _moments(
    products: Products, theta: Params, x: Tensor, selection: OutputSelection, samples: int, seed: int, rows: int
) -> tuple[Tensor, Tensor]:
    """The mean of the products over the tangents, and the sum of their squares."""
    generator = torch.Generator(x.device).manual_seed(seed)
    shape = (len(x), len(x)) if selection.flat else (selection.columns, len(x)) * 2
    total, squares = x.new_zeros(shape), x.new_zeros(shape)
    Jv = x.new_empty(len(x), selection.columns)
    for _ in range(samples):
        v = {name: p.new_empty(1, *p.shape).normal_(generator=generator) for name, p in theta.items()}
        for part in chunks(len(x), rows):
            Jv[part] = products.push(theta, x[part], v)[0]
        product = Jv @ Jv.T if selection.flat else torch.einsum("io,jp->oipj", Jv, Jv)
        total += product
        squares += product.square_()
    return total / samples, squares

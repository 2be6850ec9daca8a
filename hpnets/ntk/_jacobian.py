"""The per-sample Jacobian J (C, n, P): vectorised by vmap(jacrev), or by a loop of plain autograd."""

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from hpnets.ntk._functional import Params, own_parameters, plain_call, single_output_function
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._tiling import chunks, pair


def vmapped_jacobian(
    net: nn.Module, params: Params, names: tuple[str, ...], x: Tensor, selection: OutputSelection, J: Tensor
) -> None:
    """Write J (C, n, P) of the parameters `names` at the samples of x by vmap over jacrev.

    Grad mode is on, since without it torch 2.14 differentiates linalg.solve, logdet and slogdet wrongly under vmap.
    """
    chosen = {name: params[name] for name in names}
    f = single_output_function(net, selection, {name: p for name, p in params.items() if name not in chosen})
    # At least two rows are used, since some of torch's backward formulas are wrong for one.
    several = x if len(x) > 1 else pair(x)
    with torch.enable_grad():
        # A draw without effect on the outputs must not raise; draws with an effect are refused in _independence.py.
        parts = vmap(jacrev(f), (None, 0), randomness="different")(chosen, several)
    for place, name in zip(J.split([p.numel() for p in chosen.values()], dim=2), names, strict=True):
        part = parts[name][: len(x)].detach()
        place.copy_(part.reshape(*part.shape[:2], place.shape[2]).transpose(0, 1))


def looped_jacobian(
    net: nn.Module, params: Params, names: tuple[str, ...], x: Tensor, selection: OutputSelection, J: Tensor
) -> None:
    """Write J (C, n, P) of the parameters `names` by one plain backward pass for each sample and output.

    The passes are made in the net's own graph, over pairs of samples: each pass costs what its whole batch costs.
    """
    with own_parameters(net, params) as own, torch.enable_grad():
        leaves = [own[name] for name in names]
        for rows in chunks(len(x), 2):
            samples = x[rows] if len(x) > 1 else pair(x)
            y = selection.read(plain_call(net, samples))
            for i in range(rows.stop - rows.start):
                for c in range(selection.columns):
                    J[c, rows.start + i] = _gradient(y[i, c], leaves)


def _gradient(value: Tensor, leaves: list[Tensor]) -> Tensor:
    """d value / d leaves, flattened side by side."""
    if not value.requires_grad:
        return torch.cat([leaf.detach().new_zeros(leaf.numel()) for leaf in leaves])
    grads = torch.autograd.grad(value, leaves, retain_graph=True, materialize_grads=True)
    return torch.cat([g.detach().flatten() for g in grads])

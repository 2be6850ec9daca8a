"""The sizes of the terms that a gradient sums, which set the scale of its rounding."""

import torch
from torch import Tensor, nn

from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Layer
from hpnets.ntk._rules.base import OuterRule, fold_channels, fold_positions
from hpnets.ntk._tape import Tape, record
from hpnets.ntk._terms.base import State, Term


def row_sizes(term: Term, state: State, u: Tensor) -> dict[str, float]:
    """The sizes of a term without layers: by parameter, the root of the summed squares over the samples."""
    rows = [term.pull(term.part(state, slice(i, i + 1)), u[i : i + 1]) for i in range(len(u))]
    return {name: sum(float(row[name].square().sum()) for row in rows) ** 0.5 for name in term.names}


def layer_sizes(net: nn.Module, params: Params, x: Tensor, seeds: Tensor, layers: list[Layer]) -> dict[str, float]:
    """The sizes for layers: the root of sum_s |g_s|^2 |P_s|^2 over samples and positions s, |P_s| = 1 for a bias."""
    leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
    tape = record(net, leaves, x, {name for layer in layers for name in layer.modules}, quick=False)
    sizes: dict[str, float] = {}
    for layer in layers:
        for local, name in layer.parameters:
            sizes[name] = _terms_norm(layer, local, tape, seeds)
    return sizes


def _terms_norm(layer: Layer, local: str, tape: Tape, seeds: Tensor) -> float:
    total = 0.0
    for call in layer.calls(tape):
        (g,) = torch.autograd.grad(tape.y, [call.edge], seeds, retain_graph=True, allow_unused=True)
        if g is None:
            continue
        if local == "bias":
            total += float(g.square().sum())
        elif isinstance(layer.rule, OuterRule):
            G = fold_channels(layer.rule.channels(call.module, g[None]), len(tape.y))[0].square().sum(2)
            P = fold_positions(layer.rule.prepare(call.module, call.A), len(tape.y)).square().sum(3)
            total += float((G * P).sum())
        else:
            P = layer.rule.prepare(call.module, call.A)
            # Some rules have no entry of P for each of g; then a sample's sum stands for its positions.
            terms = g * P if P.shape == g.shape else layer.rule.gradients(call.module, P, g[None])[local]
            total += float(terms.square().sum())
    return total**0.5

"""A rule's gradients on two samples are compared with autograd's; a layer is made where they agree."""

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from hpnets.ntk._call import Call
from hpnets.ntk._functional import Params
from hpnets.ntk._layer import Geometry, Layer
from hpnets.ntk._output_selection import OutputSelection
from hpnets.ntk._rules.base import OuterRule, Rule, fold_channels, fold_positions
from hpnets.ntk._tape import Tape

# A rule is not trusted with a parameter whose gradient differs from autograd's by more than this, relatively.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
# Gradients below this many units of rounding of all gradients' norm are noise, as that of attention's bias of keys is.
FLOOR = 4.0
# The inputs seen so far, each with what a rule prepared of it: they show which calls share one input.
Seen = list[tuple[tuple[object, ...], Tensor]]
Parameters = tuple[tuple[str, str], ...]
# The gradient of each parameter by name; None where no output depends on the parameter.
Gradients = dict[str, Tensor | None]


def random_gradients(
    tape: Tape, leaves: Params, edges: list[GradientEdge], selection: OutputSelection, sample: int = 0
) -> tuple[Gradients, list[Tensor | None]]:
    """The gradients of u . V^T f(x_sample) for a random u (C,): by parameter, and at each edge."""
    if not tape.y.requires_grad:
        return dict.fromkeys(leaves), [None] * len(edges)
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(selection.columns, generator=generator, dtype=tape.y.dtype).to(tape.y.device)
    seed = torch.zeros_like(tape.y)
    seed[sample] = selection.cotangents @ u
    grads = torch.autograd.grad(tape.y, list(leaves.values()) + edges, seed, retain_graph=True, allow_unused=True)  # type: ignore[operator]
    return dict(zip(leaves, grads, strict=False)), list(grads[len(leaves) :])


def row_gradients(
    rule: Rule, calls: list[Call], at: dict[int, Tensor | None], n: int, sample: int = 0
) -> dict[str, Tensor]:
    """The gradient of each local parameter by the rule, from one sample's rows alone, summed over the calls."""
    total: dict[str, Tensor] = {}
    for call in calls:
        g = at[id(call.edge)]
        if g is None:
            continue
        parts = rule.sample_gradients(call.module, rule.prepare(call.module, call.A), g.unsqueeze(0), n)
        for local, J in parts.items():
            row = J[0, sample]
            total[local] = total[local] + row if local in total else row
    return total


def good_parameters(
    rule: Rule,
    parameters: Parameters,
    calls: list[Call],
    at: dict[int, Tensor | None],
    truth: Gradients,
    floor: float,
    n: int,
    sample: int = 0,
) -> Parameters:
    """The parameters whose gradients by the rule agree with autograd's, `truth`.

    Gradients of noise agree with any other of noise: they are left out where another parameter shows the rule wrong.
    at: the output gradient by id of the edge. floor: as for `agree`.
    """
    try:
        if not all(rule.applies(call.module, call.A) for call in calls):
            return ()
        rows = row_gradients(rule, calls, at, n, sample)
    except Exception:  # a rule's guess about a foreign module may fail in any way: the slow path is left
        return ()
    good = tuple((local, name) for local, name in parameters if agree(rows.get(local), truth[name], floor))
    return good if len(good) == len(parameters) else tuple(one for one in good if not _is_noise(truth[one[1]], floor))


def _is_noise(gradient: Tensor | None, floor: float) -> bool:
    return gradient is not None and float(torch.linalg.vector_norm(gradient)) <= floor


def noise(truth: Gradients) -> float:
    """The norm below which a gradient is rounding noise, FLOOR eps |all gradients together|."""
    squares = [float(g.square().sum()) for g in truth.values() if g is not None]
    eps = next((torch.finfo(g.dtype).eps for g in truth.values() if g is not None), 0.0)
    return FLOOR * eps * sum(squares) ** 0.5


def agree(row: Tensor | None, truth: Tensor | None, floor: float) -> bool:
    """Whether `row` equals autograd's `truth` within TOLERANCE, or within `floor` where the truth cancels to zero."""
    if row is None or truth is None:
        return (truth is None or not truth.any()) and (row is None or not row.any())
    if row.numel() != truth.numel():
        return False
    error, size = (torch.linalg.vector_norm(t) for t in (row - truth.flatten(), truth))
    return bool(error <= TOLERANCE[truth.dtype] * size + floor)


def make_layer(
    rule: Rule, modules: list[str], parameters: Parameters, seen: Seen, calls: list[Call], n: int, leaves: Params
) -> Layer:
    prepared = [rule.prepare(call.module, call.A) for call in calls]
    return Layer(
        rule,
        tuple(modules),
        parameters,
        tuple(_source(seen, call, P) for call, P in zip(calls, prepared, strict=True)),
        _geometry(rule, calls, prepared, n),
        tuple(leaves[name].numel() for _, name in parameters),
        kept=sum(p.numel() for p in prepared) // n,
        outputs=sum(call.shape.numel() for call in calls) // n,
    )


def _geometry(rule: Rule, calls: list[Call], prepared: list[Tensor], n: int) -> Geometry | None:
    if not isinstance(rule, OuterRule) or not calls:
        return None
    P = [fold_positions(p, n) for p in prepared]
    zeros = torch.empty((1, *calls[0].shape), device="meta")
    H = fold_channels(rule.channels(calls[0].module, zeros), n).shape[3]
    return Geometry(P[0].shape[1], sum(p.shape[2] for p in P), P[0].shape[3], H)


def _source(seen: Seen, call: Call, P: Tensor) -> int:
    """The number of this input among those seen: equal if both the tensor and what the rule prepared of it are."""
    for i, (source, other) in enumerate(seen):
        if source == call.source and torch.equal(other, P):
            return i
    seen.append((call.source, P))
    return len(seen) - 1

"""The tape: a forward pass with hooks on layers, and backward passes that give the gradient at each layer's output."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import vmap

from hpnets.linalg import tiles
from hpnets.ntk._call import Call
from hpnets.ntk._forms import BackwardForms, has_forms
from hpnets.ntk._functional import Params, call
from hpnets.ntk._sites import PREFIX, Repeat, SiteRecorder

# Nodes of a graph whose backward pass is wrong where it is vectorised (torch 2.14).
WRONG_VECTORISED = frozenset({"CdistBackward0"})
# The gradients of so many outputs are handed on together at most: of fewer, narrow convolutions' products miss the
# GEMM's rate, and a sample's patches are read from memory more often.
STACK = 5


@dataclass
class Tape:
    """A forward pass: its outputs y (n, O) in the graph, and its calls by module name, in order.

    fixed: what was repeated, but not for each sample. prepared: what rules prepared of a call's input, by ids of call
    and rule, for as long as the tape's passes last.
    """

    y: Tensor
    calls: dict[str, list[Call]]
    fixed: frozenset[Repeat] = frozenset()
    prepared: dict[tuple[int, int], Tensor] = field(default_factory=dict)


def record(
    net: nn.Module,
    params: Params,
    x: Tensor,
    watched: Collection[str],
    quick: bool,
    to_leaves: bool = True,
    fixed: frozenset[Repeat] = frozenset(),
) -> Tape:
    """Run `net` on x with `params` and watch modules and sites; parameters that require gradients make the graph.

    watched: names of modules, and names of parameters whose sites are watched, with PREFIX in front. quick: whether
    functions have their quick backward forms. to_leaves: whether the gradients of `params` themselves will be taken.
    fixed: what the survey's pass repeated, but not for each sample.
    """
    names = {name.removeprefix(PREFIX) for name in watched if name.startswith(PREFIX)}
    calls: dict[str, list[Call]] = {name: [] for name in watched if not name.startswith(PREFIX)}
    handles = []
    try:
        for name in calls:
            handles.append(net.get_submodule(name).register_forward_hook(_watcher(calls[name]), with_kwargs=True))
        with torch.enable_grad():
            if not names:
                forms = BackwardForms(quick, to_leaves) if quick and has_forms(net) else None
                return Tape(call(net, params, x, forms), calls)
            recorder = SiteRecorder(params, names, len(x), quick, to_leaves, fixed)
            y = call(net, params, recorder.begin(x), recorder)
    finally:
        for handle in handles:
            handle.remove()
    sites = {PREFIX + name: own for name, own in recorder.calls.items()}
    return Tape(y, calls | sites, frozenset(recorder.fixed))


def _watcher(calls: list[Call]):  # type: ignore[no-untyped-def]  # torch types the hook itself
    def hook(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], output: object) -> None:
        # The modes would see each question that is asked of a tensor here.
        with torch._C.DisableTorchFunction():
            watch(module, args, kwargs, output)

    def watch(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], output: object) -> None:
        A = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
        if A is None or not isinstance(output, Tensor) or not output.requires_grad:
            return
        A_edge = get_gradient_edge(A) if A.requires_grad else None
        calls.append(Call(module, A.detach(), A._version, A_edge, get_gradient_edge(output), output.shape))

    return hook


def output_gradients(
    tape: Tape, edges: list[GradientEdge], V: Tensor, batched: bool
) -> Iterator[tuple[slice, list[Tensor | None]]]:
    """Yield slices of the columns of V (O, C) with the gradients (c, rows, ...) of V^T y at each edge, None if unused.

    batched: make one vectorised pass for all C columns; else, and where torch cannot vectorise the pass, make one pass
    a column, and hand on STACK at a time.
    """
    n, columns = len(tape.y), V.shape[1]
    if not tape.y.requires_grad:
        yield slice(0, columns), [None] * len(edges)
        return
    if not edges:
        return
    if batched and (gradients := _vectorised(tape.y, edges, V.T[:, None].expand(-1, n, -1))) is not None:
        yield slice(0, columns), gradients
        return
    for group in tiles(columns, stacked(columns)):
        yield group, _one_by_one(tape.y, edges, V[:, group])


def stacked(columns: int) -> int:
    """The passes whose gradients are handed on together: as many each time, and at most STACK."""
    return -(-columns // -(-columns // STACK))


def _one_by_one(y: Tensor, edges: list[GradientEdge], V: Tensor) -> list[Tensor | None]:
    """The gradients (c, rows, ...), by one pass for each column of V (O, c).

    They are sample-major in memory, as the product with a sample's patches needs it.
    """
    stacks: list[Tensor | None] = [None] * len(edges)
    for c, v in enumerate(V.unbind(1)):
        for i, g in enumerate(_grad(y, edges, v.expand(len(y), -1))):
            if g is None:
                continue
            stack = stacks[i]
            if stack is None:
                stack = stacks[i] = g.new_empty(len(g), V.shape[1], *g.shape[1:])
            stack[:, c] = g
    return [None if stack is None else stack.transpose(0, 1) for stack in stacks]


def _vectorised(y: Tensor, edges: list[GradientEdge], seeds: Tensor) -> list[Tensor | None] | None:
    """The gradients (C, rows, ...) for all seeds (C, n, O) in one pass; None if torch cannot vectorise it.

    torch.func.vmap has more batching rules than the prototype behind is_grads_batched, which loops over most layers.
    """
    used: list[bool] = []

    def pull(seed: Tensor) -> tuple[Tensor, ...]:
        gradients = _grad(y, edges, seed)
        used[:] = [g is not None for g in gradients]
        return tuple(g for g in gradients if g is not None)

    try:
        made = iter(vmap(pull, randomness="different")(seeds))
    except Exception:  # a backward formula of a foreign net may do under vmap whatever it likes
        return None
    return [next(made) if is_used else None for is_used in used]


def _grad(y: Tensor, edges: list[GradientEdge], seed: Tensor) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(y, edges, seed, allow_unused=True, retain_graph=True)

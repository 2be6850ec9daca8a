"""Sites: calls of torch's functions, while a network runs, in which samples meet a tensor made of parameters alone.

Parameters that no module's rule covers are followed from function to function. A result of parameters and constants is
a weight again. A call in which a weight meets samples is a site; the rule of the module that does the same covers it.
"""

from collections.abc import Iterable
from types import FunctionType
from typing import Any

from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.utils._pytree import tree_flatten

from hpnets.ntk._call import Call
from hpnets.ntk._forms import BackwardForms
from hpnets.ntk._functions import REPEATS, Met, site_of
from hpnets.ntk._origins import Origin, mark, origin
from hpnets.ntk._recurrent import CELLS, RECURRENT, written_out
from hpnets.ntk._rules.broadcast import SumRule
from hpnets.ntk._rules.site import Site, Weight

# A site's calls are kept under each of its parameters' names with this in front, which begins no module's name.
PREFIX = "."
# A weight or constant that was repeated: its parameters, its shape, and the shape that came of it.
Repeat = tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]


class SiteRecorder(BackwardForms):
    """Collects the sites of the parameters `names` in one pass over samples, in `calls`, by parameter and in order.

    fixed: repeats that a pass over another number of samples made too, so that they are not made for each sample even
    where that number is the same. The pass adds its own.
    """

    def __init__(
        self,
        params: dict[str, Tensor],
        names: set[str],
        samples: int,
        quick: bool,
        to_leaves: bool,
        fixed: frozenset[Repeat] = frozenset(),
    ) -> None:
        super().__init__(quick, to_leaves)
        self.samples, self.fixed = samples, set(fixed)
        self.calls: dict[str, list[Call]] = {name: [] for name in names}
        self.params = params

    def begin(self, x: Tensor) -> Tensor:
        """Mark x as the samples and return it; parameters that are not in `names` count as constants."""
        x = x.detach()
        mark(x, None)
        for name, p in self.params.items():
            p.requires_grad_(p.requires_grad or name in self.calls)
            mark(p, {name: p} if name in self.calls else {})
        return x

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _NO_TENSOR:
            return func(*args, **kwargs)
        origins = [origin(t) for t in _tensors((*args, *kwargs.values()))]
        if not origins:
            return func(*args, **kwargs)
        leaves = {name: p for made_of in origins if made_of for name, p in made_of.items()}
        if None in origins:
            result = self._met(func, args, kwargs) if leaves else self._run(func, args, kwargs)
            return _marked(result, func, args, None)
        result = self._run(func, args, kwargs)
        if not self._is_repeated(func, args, result, leaves):
            return _marked(result, func, args, leaves)
        if leaves and result.requires_grad:
            weight = Weight(args[0], leaves)
            self._keep(Site(SumRule(), self.samples, {"weight": weight}, {"shape": args[0].shape}), result, result)
        return _marked(result, func, args, None)

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        return super().__torch_function__(func, (), args, kwargs)

    def _is_repeated(self, func: Any, args: Any, result: Any, leaves: dict[str, Tensor]) -> bool:
        """Whether a tensor without samples was repeated for each sample, which makes a site of a weight."""
        if _name(func) not in REPEATS or not isinstance(args[0], Tensor) or result.ndim == 0:
            return False
        shape = args[0].shape
        if len(shape) == result.ndim and shape[0] != 1:
            return False
        repeat = (tuple(leaves), tuple(shape), tuple(result.shape))
        if len(result) != self.samples:
            self.fixed.add(repeat)
        return repeat not in self.fixed

    def _met(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a function of samples and weights, whose site is kept."""
        if isinstance(func, FunctionType) and _name(func) in _COMPOSITE:
            with self:
                return _unchecked(func)(*args, **kwargs)
        if _name(func) in RECURRENT | CELLS and not kwargs:
            with self:
                result = written_out(_name(func), args)
            if result is not None:
                return result
        arguments, tree = tree_flatten((args, kwargs))
        kinds = [origin(a) if isinstance(a, Tensor) else {} for a in arguments]
        met = Met(func, _name(func), args, kwargs, arguments, tree, kinds, self.samples)
        site, A = site_of(met)
        result = self._run(func, args, kwargs)
        if site is not None and isinstance(result, Tensor) and result.requires_grad:
            self._keep(site, result if A is None else A, result)
        return result

    def _keep(self, site: Site, A: Tensor, result: Tensor) -> None:
        # A sum's rule reads only the shape of its input, so an expanded scalar stands for it and holds no memory.
        A = A.detach()
        shown = A[:0].new_empty(()).expand(A.shape) if isinstance(site.rule, SumRule) and A is result else A
        call = Call(site, shown, A._version, None, get_gradient_edge(result), result.shape)
        for name in site.leaves:
            self.calls[name].append(call)


# Questions that a network asks of tensors most often, and whose answer is no tensor.
_NO_TENSOR = {
    Tensor.size,
    Tensor.dim,
    *(getattr(Tensor, name).__get__ for name in ("shape", "ndim", "dtype", "device", "requires_grad")),
}

# Kinds of arguments that hold no tensor. Whether any other is a tensor takes long to ask, and every call asks it.
_PLAIN = frozenset({bool, int, float, str, type(None)})
# Functions written in Python that are followed inside, call by call.
_COMPOSITE = {"multi_head_attention_forward", "einsum", "__rsub__", "__rdiv__", "__rpow__"}


def _unchecked(func: FunctionType) -> FunctionType:
    """A copy of `func` without its own override check, which would show the mode only the outermost function."""
    checks = {name: lambda *_: False for name in func.__globals__ if name.startswith("has_torch_function")}
    names = func.__globals__ | checks
    copy = FunctionType(func.__code__, names, func.__name__, func.__defaults__, func.__closure__)
    copy.__kwdefaults__ = func.__kwdefaults__
    return copy


def _name(func: Any) -> str:
    return getattr(func, "__name__", "")


def _tensors(arguments: Iterable[Any]) -> list[Tensor]:
    """The tensors among the arguments, and in tuples, lists and dictionaries of them."""
    tensors = []
    for a in arguments:
        if type(a) in _PLAIN:
            continue
        if isinstance(a, Tensor):
            tensors.append(a)
        elif isinstance(a, (tuple, list)):
            tensors += _tensors(a)
        elif isinstance(a, dict):
            tensors += _tensors(a.values())
    return tensors


def _marked(result: Any, func: Any, args: Any, made_of: Origin) -> Any:
    """Mark the result with its origin and return it; a weight without a graph counts as a constant."""
    if _name(func) == "__setitem__":
        result, changed = None, args[0]
        mark(changed, made_of)
    for t in (result,) if isinstance(result, Tensor) else _tensors((result,)):
        mark(t, made_of if made_of is None or t.requires_grad else {})
    return result

"""Plans of earlier calls, which a later call for the same net and shapes uses again; each call proves its plan.

A call that proves nothing uses a plan again only while no parameter or buffer was written to.
"""

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._plan import Plan
from hpnets.ntk._planning import Request

# At most this many plans are kept for one net; the oldest is dropped first.
MOST = 4
_PLANS: "WeakKeyDictionary[nn.Module, dict[Hashable, Plan]]" = WeakKeyDictionary()


def recall(request: Request) -> Plan | None:
    """The plan of an earlier call with the same net, shapes and options; None if there is none."""
    return _plans_of(request.net).get(_key(request))


def remember(request: Request, plan: Plan) -> None:
    """Keep a plan that has been proven, for as long as the net lives."""
    plans = _plans_of(request.net)
    plans[_key(request)] = plan
    if len(plans) > MOST:
        plans.pop(next(iter(plans)))


def forget(request: Request) -> None:
    """Drop a plan that did not hold."""
    _plans_of(request.net).pop(_key(request), None)


def _plans_of(net: nn.Module) -> dict[Hashable, Plan]:
    try:
        return _PLANS.setdefault(net, {})
    except TypeError:  # a module that defines __eq__ alone has no hash
        return {}


def _key(request: Request) -> Hashable:
    """All that a plan depends on and that shows without a pass; the proof finds the rest."""
    x1, x2 = request.x1, request.x2
    tensors = [] if request.verify == "always" else [*request.theta.values(), *request.net.buffers()]
    return (
        (x1.shape, None if x2 is None else x2.shape, x1.dtype, x1.device),
        (_selected(request.outputs), request.algorithm, request.budget),
        tuple((name, p.shape) for name, p in request.theta.items()),
        tuple((type(module), _settings(module)) for module in request.net.modules()),
        tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors),
    )


def _settings(module: nn.Module) -> Hashable:
    """The plain attributes of a module, its mode among them, a forward of its own, and how many hooks and so on."""
    attributes = vars(module).items()
    # A union of types would take five times as long.
    plain = [(name, value) for name, value in attributes if isinstance(value, (int, float, str))]
    sizes = [len(value) for _, value in attributes if isinstance(value, dict)]
    return *plain, *sizes, id(vars(module).get("forward"))


def _selected(outputs: Outputs) -> Hashable:
    if isinstance(outputs, Tensor):
        return outputs.shape, tuple(outputs.flatten().tolist())
    return repr(outputs)  # also of a value that is no output selection: make_plan refuses it later

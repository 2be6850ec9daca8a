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
        settings_of(request.net),
        tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors),
    )


def settings_of(net: nn.Module) -> Hashable:
    """What a module's forward may depend on and that shows without a pass, of each module."""
    return tuple((type(module), _settings(module)) for module in net.modules())


def _settings(module: nn.Module) -> Hashable:
    """A module's plain attributes, its mode among them, its scalars, a forward of its own, how many hooks and so on."""
    attributes = vars(module)
    # A union of types would take five times as long.
    plain = [(name, value) for name, value in attributes.items() if isinstance(value, (int, float, str))]
    sizes = [len(value) for value in attributes.values() if isinstance(value, dict)]
    scalars = [t.item() for t in attributes.get("_buffers", {}).values() if t is not None and _is_scalar(t)]
    return *plain, *sizes, *scalars, id(attributes.get("forward"))


def _is_scalar(buffer: Tensor) -> bool:
    """Whether a buffer may be a setting, such as a temperature; whole numbers count steps, as BatchNorm's does."""
    return buffer.ndim == 0 and buffer.is_floating_point() and not buffer.is_meta


def _selected(outputs: Outputs) -> Hashable:
    if isinstance(outputs, Tensor):
        return outputs.shape, tuple(outputs.flatten().tolist())
    return repr(outputs)  # also of a value that is no output selection: make_plan refuses it later

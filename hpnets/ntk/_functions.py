"""The rule that covers a call of a function, found by name and arguments: the rule of the module that does the same."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._pytree import TreeSpec

from hpnets.ntk._rules.base import Rule
from hpnets.ntk._rules.broadcast import FunctionRule, ProductRule, SumRule
from hpnets.ntk._rules.conv import ConvRule
from hpnets.ntk._rules.embedding import EmbeddingRule
from hpnets.ntk._rules.linear import LinearRule
from hpnets.ntk._rules.norm import BatchNormRule, GroupNormRule, InstanceNormRule, LayerNormRule, RMSNormRule
from hpnets.ntk._rules.site import Site, Weight
from hpnets.ntk._rules.transposed import TransposedConvRule

# Functions that may repeat a weight for each sample.
REPEATS = {"expand", "expand_as", "repeat", "broadcast_to", "tile", "repeat_interleave"}
SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
PRODUCTS = {"mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__"}
MATRIX_PRODUCTS = {"matmul", "mm", "__matmul__"}
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
_INSTANCE_NORM = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps")
_EMBEDDING = ("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")


class Met(NamedTuple):
    """A call in which samples meet weights.

    arguments: args and kwargs flattened by `tree`. kinds: for each argument the parameters that it is made of if it is
    a weight, {} if it is a constant, None if it depends on samples.
    """

    function: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    arguments: list[Any]
    tree: TreeSpec
    kinds: list[dict[str, Tensor] | None]
    samples: int

    def bound(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The arguments by name; `names` are the names of the positional ones."""
        return dict(zip(names, self.args, strict=False)) | self.kwargs

    def kind(self, t: Any) -> dict[str, Tensor] | None:
        """The kind of one of the arguments."""
        return next((kind for a, kind in zip(self.arguments, self.kinds, strict=True) if a is t), {})

    def weights(self, given: dict[str, Any]) -> dict[str, Weight]:
        """The given tensors that are weights."""
        kinds = {name: self.kind(t) for name, t in given.items() if isinstance(t, Tensor)}
        return {name: Weight(given[name], kind) for name, kind in kinds.items() if kind}


_Made = tuple[Site | None, Tensor | None]
_Attributes = Callable[[dict[str, Any]], dict[str, Any]]


def site_of(met: Met) -> _Made:
    """The site of the call and its input A; A is None if the result stands for it, the site if no rule covers it."""
    site, A = _known(met)
    if site is None:
        site, A = _function(met)
    return (site, A) if site is not None and site.weights else (None, None)


def _known(met: Met) -> _Made:
    if met.name in SUMS and len(met.args) == 2 and met.kwargs.get("alpha", 1) == 1:
        return _pair(met, SumRule())
    if met.name in PRODUCTS and len(met.args) == 2:
        return _pair(met, ProductRule())
    if met.name in MATRIX_PRODUCTS and len(met.args) == 2:
        return _product(met)
    if met.name == "prelu":
        return _slopes(met)
    if met.name in _LAYERS:
        return _layer(met, *_LAYERS[met.name])
    return None, None


def _layer(met: Met, rule: Rule, names: tuple[str, ...], attributes: _Attributes) -> _Made:
    """The site of a function that takes `input`, and the `weight` and `bias` of its rule."""
    bound = met.bound(names)
    if met.kind(bound["input"]) is not None or bound.get("training"):
        return None, None
    weights = met.weights({"weight": bound.get("weight"), "bias": bound.get("bias")})
    if len(weights) != sum(bool(kind) for kind in met.kinds):
        return None, None  # a weight elsewhere, such as in the running statistics
    return Site(rule, met.samples, weights, attributes(bound)), bound["input"]


def _pair(met: Met, rule: SumRule) -> _Made:
    """The site of a sum or product of a weight and a tensor of samples, in either order."""
    i = 0 if met.kind(met.args[0]) else 1
    w, A = met.args[i], met.args[1 - i]
    if not isinstance(A, Tensor) or met.kind(A) is not None or w.ndim > A.ndim:
        return None, None
    wide = len(w.shape) == A.ndim and w.shape[0] != 1
    if wide or (isinstance(rule, ProductRule) and A.ndim == 0):
        return None, None
    site = Site(rule, met.samples, met.weights({"weight": w}), {"shape": w.shape})
    if type(rule) is SumRule:
        return site, None
    # A product in place overwrites A, so the site keeps a copy.
    return site, A.detach().clone() if met.name in ("mul_", "__imul__") else A


def _slopes(met: Met) -> _Made:
    """The site of PReLU: a weight for the negative half of each channel, or of all channels."""
    A, w = met.args
    if met.kind(A) is not None or A.ndim < 2:
        return None, None
    shape = (w.numel(), *[1] * (A.ndim - 2)) if w.numel() > 1 else ()
    return Site(ProductRule(), met.samples, met.weights({"weight": w}), {"shape": shape}), A.detach().clamp_max(0)


def _product(met: Met) -> _Made:
    """The site of A W, which a Linear layer with the weight W^T computes."""
    A, W = met.args
    if met.kind(A) is not None or W.ndim != 2 or A.ndim < 2:
        return None, None
    weights = {"weight": Weight(W.mT, leaves)} if (leaves := met.kind(W)) else {}
    return Site(LinearRule(), met.samples, weights), A


def _function(met: Met) -> _Made:
    """The site of any function of weights, constants, and tensors that have one entry a row."""
    varying = [i for i, kind in enumerate(met.kinds) if kind is None]
    places = {str(i): i for i, kind in enumerate(met.kinds) if kind}
    if met.name.endswith("_") or any(not met.arguments[i].is_floating_point() for i in places.values()):
        return None, None
    weights = {local: Weight(met.arguments[i], met.kinds[i] or {}) for local, i in places.items()}
    kept = [a.detach() if isinstance(a, Tensor) else a for a in met.arguments]
    attributes = {"function": met.function, "arguments": kept, "tree": met.tree, "varying": varying, "places": places}
    return Site(FunctionRule(), met.samples, weights, attributes), met.arguments[varying[0]]


def _tuple(value: Any, d: int) -> Any:
    return (
        value
        if isinstance(value, str)
        else ((value,) * d if isinstance(value, int) else tuple(value) * (d // len(value)))
    )


def _conv(bound: dict[str, Any]) -> dict[str, Any]:
    kernel = bound["weight"].shape[2:]
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    sizes = {name: _tuple(bound.get(name, default), len(kernel)) for name, default in defaults.items()}
    return sizes | {"kernel_size": tuple(kernel), "padding_mode": "zeros", "groups": bound.get("groups", 1)}


def _batch_norm(bound: dict[str, Any]) -> dict[str, Any]:
    return {name: bound[name] for name in ("running_mean", "running_var")} | {"eps": bound.get("eps", 1e-5)}


def _instance_norm(bound: dict[str, Any]) -> dict[str, Any]:
    statistics = {name: bound.get(name) for name in ("running_mean", "running_var")}
    return statistics | {"track_running_stats": not bound.get("use_input_stats", True), "eps": bound.get("eps", 1e-5)}


def _last_axes(bound: dict[str, Any]) -> dict[str, Any]:
    return {"normalized_shape": tuple(bound["normalized_shape"]), "eps": bound.get("eps")}


def _layer_norm(bound: dict[str, Any]) -> dict[str, Any]:
    return _last_axes(bound) | {"eps": bound.get("eps", 1e-5)}


def _embedding(bound: dict[str, Any]) -> dict[str, Any]:
    names = {"padding_idx": None, "max_norm": None, "scale_grad_by_freq": False}
    given = {name: bound.get(name, default) for name, default in names.items()}
    return given | {"num_embeddings": len(bound["weight"]), "weight": bound["weight"].detach()}


_NORMALISED = ("input", "normalized_shape", "weight", "bias", "eps")
_LAYERS: dict[str, tuple[Rule, tuple[str, ...], _Attributes]] = {
    "linear": (LinearRule(), ("input", "weight", "bias"), lambda bound: {}),
    **{f"conv{d}d": (ConvRule(), _CONV, _conv) for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": (TransposedConvRule(), _TRANSPOSED, _conv) for d in (1, 2, 3)},
    "batch_norm": (BatchNormRule(), _BATCH_NORM, _batch_norm),
    "instance_norm": (InstanceNormRule(), _INSTANCE_NORM, _instance_norm),
    "group_norm": (
        GroupNormRule(),
        ("input", "num_groups", "weight", "bias", "eps"),
        lambda bound: {"num_groups": bound["num_groups"], "eps": bound.get("eps", 1e-5)},
    ),
    "layer_norm": (LayerNormRule(), _NORMALISED, _layer_norm),
    "rms_norm": (RMSNormRule(), ("input", "normalized_shape", "weight", "eps"), _last_axes),
    "embedding": (EmbeddingRule(), _EMBEDDING, _embedding),
}

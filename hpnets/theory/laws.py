"""Laws: how a network's layers are drawn at initialisation; a derivation builds its nodes from them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from hpnets.registry import Registry
from hpnets.theory import nodes
from hpnets.theory.moments import Moments, fresh
from hpnets.theory.points import Points

Derivation = Callable[[Any, Any, "Laws"], Moments]
_DERIVATIONS: Registry[Derivation] = Registry("limit of")
_REASONS: dict[str, str] = {}
Layer = nn.Linear | nn.Conv2d


def register_limit(module: str | type) -> Callable[[Derivation], Derivation]:
    """Decorator that enters `limit(net, x, laws) -> Moments` for a class, or its full name, that defines `forward`.

    net: the module. x: `Points` for a network, `Moments` for a module inside one. laws: a `Laws`, whose methods are
    the nodes. Subclasses that keep the class's forward share its limit. Raises ValueError for a class that has one.
    """
    return _DERIVATIONS.register(module if isinstance(module, str) else _name(module))


def no_limit(module: str, reason: str) -> None:
    """Enter the reason why the class with this full name has no limit."""
    _REASONS[module] = reason


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _find(module: nn.Module) -> Derivation:
    # A subclass with a forward of its own is another network, so the class that defines forward is looked up.
    name = _name(next(cls for cls in type(module).__mro__ if "forward" in vars(cls)))
    if name in _REASONS:
        raise ValueError(f"no limit kernel is derived for {type(module).__name__}: {_REASONS[name]}")
    if name not in _DERIVATIONS.entries:
        raise ValueError(
            f"no limit kernel is derived for {name}; write one with hpnets.theory.register_limit, or measure the "
            "finite one with hpnets.ntk.ntk"
        )
    return _DERIVATIONS.get(name)


class Laws:
    """The nodes of one network's limit, each made from a layer; `variances` collects each parameter's variance by id.

    Each layer keeps its W variance times fan_in and its bias variance, while fan_in grows.
    """

    def __init__(self) -> None:
        self.variances: dict[int, float] = {}
        self.largest = 1  # P^2 of the largest layer

    def __call__(self, module: nn.Module, x: Any) -> Moments:
        """The moments of a module inside a network, by its own derivation."""
        return self._seen(_find(module)(module, x, self))

    def draw(self, parameter: Tensor | None, variance: float) -> None:
        """Record the variance that the entries of a parameter are drawn with, 0 for a constant."""
        if parameter is not None:
            self.variances[id(parameter)] = variance

    def dense(
        self, h: Moments, layer: nn.Linear, gain: float = 1.0, bias: float = 0.0, multiplier: float = 1.0
    ) -> Moments:
        """A Linear layer: multiplier * W has the law N(0, gain / fan_in), and biases have the variance `bias`.

        Biases with a variance > 0 are uniform, so on inputs, whose fan_in does not grow, the layer is not Gaussian.
        """
        self.draw(layer.weight, gain / layer.in_features / multiplier**2)
        self.draw(layer.bias, bias)
        return self._seen(nodes.dense(h, gain, bias if layer.bias is not None else 0.0), bool(h.sources) or bias == 0)

    def conv(self, h: Moments, layer: nn.Conv2d, gain: float, bias: float = 0.0) -> Moments:
        """A convolution with W ~ N(0, gain / fan_in) and uniform biases of variance `bias`.

        Raises ValueError for a kernel, stride or padding that is not square, for dilation, for groups, and for a
        padding mode other than zeros.
        """
        k, s, p = _square(layer)
        self.draw(layer.weight, gain / (layer.in_channels * k**2))
        self.draw(layer.bias, bias)
        own = bias if layer.bias is not None else 0.0
        return self._seen(nodes.conv(h, k, gain, own, s, p), bool(h.sources) or bias == 0)

    def gaussian(self, h: Moments, gain: float = 1.0, bias: float = 0.0) -> Moments:
        """A dense layer of Gaussian weights that are not in a Linear; the caller records them with `draw`."""
        return self._seen(nodes.dense(h, gain, bias))

    def default(self, h: Moments, layer: Layer) -> Moments:
        """A layer as torch draws it: weights and biases ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)), of variance 1/(3 fan_in).

        Uniform weights on inputs, whose fan_in does not grow, do not give a Gaussian.
        """
        bias = uniform_bias(layer)
        made = self.dense(h, layer, 1 / 3, bias) if isinstance(layer, nn.Linear) else self.conv(h, layer, 1 / 3, bias)
        return self._seen(made, bool(h.sources))

    def norm(self, h: Moments, layer: nn.Module) -> Moments:
        """A norm: LayerNorm, GroupNorm, BatchNorm at its initial statistics (eval mode), or the identity.

        Raises ValueError for BatchNorm in train mode and for InstanceNorm, which divides by a deviation over positions.
        """
        if isinstance(layer, nn.Identity):
            return h
        if isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            made = nodes.normalise(h, layer.eps, positions=isinstance(layer, nn.GroupNorm))
            return self._gain(layer) * made
        return self.factor(layer) * h

    def factor(self, layer: nn.Module) -> float:
        """The factor by which BatchNorm multiplies at its initial statistics, 1 for the identity; raises as `norm`."""
        if isinstance(layer, nn.Identity):
            return 1.0
        if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ValueError(
                f"{type(layer).__name__} divides by the deviation over the positions of one channel, which no width "
                "makes certain, so that there is no limit in closed form; allowed: norm 'batch' or 'none'"
            )
        if layer.training:
            raise ValueError("BatchNorm is in train mode, which couples the points; allowed: eval mode, net.eval()")
        mean, variance = layer.running_mean, layer.running_var
        if mean is None or variance is None or bool((mean != 0).any()) or bool((variance != 1).any()):
            raise ValueError(
                "BatchNorm's running statistics are not those it starts with, so that its factors differ by channel; "
                "allowed: running mean 0 and variance 1, a network as it is built"
            )
        return self._gain(layer) * (1 + layer.eps) ** -0.5

    def _gain(self, layer: nn.Module) -> float:
        """The one number that a norm's weight starts at; weight and bias are constants, so they have no share in T."""
        weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
        self.draw(weight, 0.0)
        self.draw(bias, 0.0)
        first = 1.0 if weight is None else float(weight.detach().flatten()[0])
        if weight is not None and not bool((weight == first).all()):
            raise ValueError("the weights of a norm differ, so they are trained; allowed: a network as it is built")
        return first

    def alike(self, h: Moments, first: nn.Linear, others: Iterable[nn.Linear]) -> Iterator[Moments]:
        """Yield the feature of each layer of `others`, drawn by the law of `first`, so that it has the moments of h."""
        for layer in others:
            self.draw(layer.weight, self.variances[id(first.weight)])
            self.draw(layer.bias, self.variances.get(id(first.bias), 0.0))
            yield replace(h, sources=fresh())

    def source(self, S: Moments) -> Moments:
        """The moments S as features of new weights, marked as independent of all others."""
        return self._seen(Moments(S.S, S.T, S.S_1, S.S_2, S.mean, S.grid, S.gaussian, fresh()))

    def _seen(self, h: Moments, gaussian: bool = True) -> Moments:
        self.largest = max(self.largest, h.S.shape[-1] ** 2)
        if gaussian or not h.gaussian:
            return h
        return replace(h, gaussian=False)


def uniform_bias(layer: Layer) -> float:
    """The variance 1/(3 fan_in) of biases as torch draws them, U(-1/sqrt(fan_in), 1/sqrt(fan_in)); 0 without biases."""
    return 0.0 if layer.bias is None else 1 / (3 * layer.weight[0].numel())


def _square(layer: nn.Conv2d) -> tuple[int, int, int]:
    """Kernel, stride and padding, one number each; raises ValueError if they do not describe the convolution."""
    pairs = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding")}
    for name, pair in pairs.items():
        if isinstance(pair, str) or pair[0] != pair[1]:
            raise ValueError(f"{name} of a Conv2d is {pair!r}; allowed where it has a limit: two equal numbers")
    for name, only in (("dilation", (1, 1)), ("groups", 1), ("padding_mode", "zeros")):
        if getattr(layer, name) != only:
            raise ValueError(f"{name} of a Conv2d is {getattr(layer, name)!r}; allowed where it has a limit: {only!r}")
    return pairs["kernel_size"][0], pairs["stride"][0], pairs["padding"][0]


def flat(x: Points | Moments) -> Moments:
    """A network's input as moments of vectors."""
    return x.flat() if isinstance(x, Points) else x

r"""How weights, learning rates and the width of a network go together: as the model says, "ntk" or "mup".

A parametrisation is put on a network that is built already. A layer y = W x + b (linear, convolution or modulated
convolution) becomes
y = W (c x) + b with a constant c, its weights are divided by c or scaled, and each parameter gets a factor for its
learning rate. Names of parameters, and forward methods, stay as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hpnets.layers.modulation import ModulatedConv2d
from hpnets.optimisers import EPSILON, OPTIMISERS
from hpnets.validate import one_of

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, ModulatedConv2d)


@dataclass(frozen=True)
class Drawn:
    """A parameter as a constructor makes it: its shape, and the root mean square that its values are drawn with."""

    shape: torch.Size
    rms: float


@dataclass(frozen=True)
class Scaling:
    """A parametrisation's factors of one parameter: on its layer's input, its draw, its rates, and Adam's epsilon."""

    multiplier: float = 1.0
    init: float = 1.0
    sgd: float = 1.0
    adam: float = 1.0
    epsilon: float = 1.0


class Multiplier:
    """A forward pre-hook that multiplies the layer's input by a constant.

    A hook on the input, not on the output, leaves the bias unscaled, and shows later hooks what the weights multiply.
    """

    def __init__(self, constant: float) -> None:
        self.constant = constant

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return args[0] * self.constant, *args[1:]


class _Quantiles(TorchDispatchMode):
    """Replaces random draws by fixed values whose mean square is exactly that of the distribution.

    Normal: mean +- std in turn. Uniform: the midpoints of equal parts, since trunc_normal_ transforms a uniform draw.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.randn.default:
            out.copy_(_alternating(out))
        elif func is torch.ops.aten.normal_.default:
            mean, std = _given(args)
            out.copy_(mean + std * _alternating(out))
        elif func is torch.ops.aten.uniform_.default:
            low, high = _given(args)
            out.copy_(low + (high - low) * _midpoints(out))
        elif func is torch.ops.aten._standard_gamma.default:
            out.copy_(args[0])  # its mean
        return out


def _alternating(t: Tensor) -> Tensor:
    """1, -1, 1, ..., in the shape of t."""
    return 1 - 2 * (torch.arange(t.numel()) % 2).view(t.shape)


def _midpoints(t: Tensor) -> Tensor:
    """The midpoints of as many equal parts of (0, 1) as t has values, in its shape."""
    return ((torch.arange(t.numel()) + 0.5) / max(t.numel(), 1)).view(t.shape)


def _given(args: tuple[Any, ...]) -> tuple[float, float]:
    """The two numbers of a draw in place, (tensor, number, number), 0 and 1 where they are left out."""
    return (args[1] if len(args) > 1 else 0.0), (args[2] if len(args) > 2 else 1.0)


def drawn(build: Callable[[], nn.Module]) -> dict[str, Drawn]:
    """The parameters that `build` makes, each with the root mean square of its distribution; no random state moves."""
    with torch.random.fork_rng(devices=[]), _Quantiles():
        torch.default_generator.manual_seed(0)  # for draws of other kinds
        net = build()
    return {
        name: Drawn(p.shape, float(p.detach().double().square().mean().sqrt())) for name, p in net.named_parameters()
    }


def ntk_scalings(net: nn.Module, own: dict[str, Drawn], other: dict[str, Drawn]) -> dict[str, Scaling]:
    r"""Weights of unit variance: y = s W x + b, W ~ N(0, 1), s the root mean square that the model draws them with.

    So s = gain / sqrt(fan_in), with the model's own gain and distribution, and the network starts as the same function.
    All rates stay 1: gradient descent then moves the function at the rate of the kernel, which converges with width.
    `other`: the parameters at any other width. Parameters that have the same shape there, that are drawn as 0, or that
    are no weight of a linear layer or convolution are left as they are.

    Source: Jacot et al. 2018, "Neural Tangent Kernel" (arXiv 1806.07572).
    """
    grown = {name for name in layers_of(net) if own[name].shape != other[name].shape and own[name].rms > 0}
    return {name: Scaling(multiplier=own[name].rms, init=1 / own[name].rms) for name in grown}


def mup_scalings(net: nn.Module, own: dict[str, Drawn], base: dict[str, Drawn]) -> dict[str, Scaling]:
    """`mup_scaling` of each parameter; `base`: the parameters at the base width.

    Shapes do not tell two things, which modules state as attributes, tuples of names of their parameters.
    `scaled_by_fan_in`: weights that forward divides by sqrt(fan_in). `contracted`: weights of a layer whose outputs are
    multiplied with others that grow with width, and summed, as queries are with keys. They are divided by r_out, as mup
    divides attention by its heads' width and not by the root of it.
    """
    layers, scaled, contracted = layers_of(net), _declared(net, "scaled_by_fan_in"), _declared(net, "contracted")
    scalings = {name: mup_scaling(drawn, base[name], name in layers, name in scaled) for name, drawn in own.items()}
    for name in contracted:
        r_out = own[name].shape[0] / base[name].shape[0]
        scalings[name] = replace(scalings[name], multiplier=scalings[name].multiplier / r_out)
    return scalings


def _declared(net: nn.Module, attribute: str) -> set[str]:
    """Full names of the parameters that the modules of `net` name, relative to themselves, in an attribute."""
    modules = net.named_modules()
    return {f"{prefix}.{local}".lstrip(".") for prefix, m in modules for local in getattr(m, attribute, ())}


def mup_scaling(own: Drawn, base: Drawn, layer: bool, scaled: bool) -> Scaling:
    r"""Maximal update: every activation moves by O(1) a step at any width; at the base width nothing changes.

    r: the parameter's size over its size at the base width, r_in along its inputs, r_out along its outputs; s: the
    root mean square that it is drawn with at the base width; a: 1/2 if the module divides it by sqrt(fan_in) itself,
    else 0. Adam is AdamW too, SGD has any momentum.

    | parameter | grows along | multiplier c | drawn with | Adam's rate | SGD's rate |
    | --- | --- | --- | --- | --- | --- |
    | hidden | inputs and outputs | 1 | s r_in^(a - 1/2) | r_in^(a - 1) | r_in^(2a) |
    | read-out | inputs | r_in^(a - 1) | s | 1 | r_in |
    | input | outputs | 1 | s | 1 | r_out |
    | vector | its one axis | 1 | as it is | 1 | r |

    A parameter that is no weight of a linear layer or convolution (`layer` is false) counts as hidden if it grows along
    two axes and as a vector if along one, and keeps its draw. What does not grow is left as it is.
    """
    grown = [m / n for m, n in zip(own.shape, base.shape, strict=True)]
    a, r = 0.5 * scaled, [ratio for ratio in grown if ratio != 1]
    if not r:
        return Scaling()

    def init(target: float) -> float:
        """The factor from the own draw to `target`, exactly 1 where they differ by rounding."""
        factor = target / own.rms if layer and own.rms else 1.0
        return 1.0 if abs(factor - 1) < 1e-6 else factor

    if len(r) > 1:
        r_in = grown[1]
        return Scaling(1.0, init(base.rms * r_in ** (a - 0.5)), sgd=r_in ** (2 * a), adam=r_in ** (a - 1))
    if layer and grown[1] != 1:
        return Scaling(r[0] ** (a - 1), init(base.rms), sgd=r[0])
    return Scaling(1.0, init(base.rms), sgd=r[0])


def apply_scalings(net: nn.Module, scalings: dict[str, Scaling]) -> None:
    """Scale the weights of `net`, hook its layers' inputs, and keep the factors of the rates as `net.scalings`."""
    layers = layers_of(net)
    for name, scaling in scalings.items():
        with torch.no_grad():
            net.get_parameter(name).mul_(scaling.init)
        if scaling.multiplier != 1:
            _multiply(layers[name], scaling.multiplier)
    net.scalings = scalings  # type: ignore[assignment]


def _multiply(layer: nn.Module, constant: float) -> None:
    """Put a constant on the input of a layer, or, where that has a style beside it, on the layer's own scale."""
    if isinstance(layer, ModulatedConv2d):
        layer.scale *= constant
    else:
        layer.register_forward_pre_hook(Multiplier(constant))


def parameter_groups(net: nn.Module, optimizer: str, lr: float, weight_decay: float = 0.0) -> list[dict]:
    """Groups for an optimiser by name: parameters of one learning rate each, lr times their factor.

    Weights decay; parameters with one axis longer than 1 at most, that are no weight of a linear layer or convolution,
    do not: biases, norms, gates, scales. The weight decay of a group is divided by its factor, so that a weight decays
    as fast, lr * weight_decay a step, at every width. One group if all factors are 1 and nothing decays. Where a
    parametrisation scales Adam's epsilon, the group has its own "eps". Parameters without gradients are left out.

    Raises ValueError for an unknown optimizer, and for "adam" with weight decay where factors differ: there it is part
    of the gradient that Adam divides by its size, which no factor mends.
    """
    kind = OPTIMISERS.get(one_of("optimizer", optimizer, OPTIMISERS.names()))
    groups: dict[tuple[float, float, float], list[nn.Parameter]] = {}
    layers = layers_of(net)
    for name, p, factor, epsilon in _factors(net, kind.rates):
        spared = name not in layers and sum(side > 1 for side in p.shape) <= 1
        groups.setdefault((factor, 0.0 if spared else weight_decay / factor, epsilon), []).append(p)
    if kind.decays_gradient and weight_decay and {factor for factor, _, _ in groups} != {1.0}:
        raise ValueError(
            f"weight_decay is {weight_decay} with {optimizer} and rates that differ, as under mup; allowed: 0, or adamw"
        )
    return [
        {"params": p, "lr": lr * f, "weight_decay": decay, **({} if e == 1 else {"eps": EPSILON * e})}
        for (f, decay, e), p in groups.items()
    ]


def layers_of(net: nn.Module) -> dict[str, nn.Module]:
    """The linear layers and convolutions, by the names of their weights."""
    return {f"{prefix}.weight".lstrip("."): m for prefix, m in net.named_modules() if isinstance(m, LAYERS)}


def _factors(net: nn.Module, kind: str) -> Iterator[tuple[str, nn.Parameter, float, float]]:
    """Yield each parameter's name, itself, its factor of the rate and that of Adam's epsilon."""
    scalings: dict[str, Scaling] = getattr(net, "scalings", {})
    for name, p in net.named_parameters():
        if p.requires_grad:
            s = scalings.get(name, Scaling())
            yield name, p, getattr(s, kind), s.epsilon if kind == "adam" else 1.0

"""Rules of parameters that are added to samples, multiplied with them, or repeated for each; and of any function."""

from typing import Any

import torch
from torch import Tensor
from torch.func import vjp, vmap
from torch.utils._pytree import TreeSpec, tree_unflatten

from hpnets.ntk._mended import Mended
from hpnets.ntk._rules.base import Module, Rule


class SumRule(Rule):
    """y = A + w, or y = w for each sample: dw is the sum of g over the axes of a sample along which w is repeated."""

    parameters = ("weight",)

    def applies(self, module: Module, A: Tensor) -> bool:
        shape: tuple[int, ...] = module.shape
        return A.ndim > 0 and (len(shape) < A.ndim or (len(shape) == A.ndim and shape[0] == 1))

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A.new_empty(0)

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {"weight": _shared(g, module.shape)}


class ProductRule(SumRule):
    """y = w * A: dw is the sum of g * A over the axes of a sample along which w is repeated."""

    def applies(self, module: Module, A: Tensor) -> bool:
        return super().applies(module, A) and A.is_floating_point()

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {"weight": _shared(g * P, module.shape)}


def _shared(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(C, rows, numel) from g (C, rows, ...), summed over the axes along which a tensor of this shape is repeated."""
    full = (1,) * (g.ndim - 1 - len(shape)) + tuple(shape)
    axes = [1 + i for i, size in enumerate(full) if i > 0 and size == 1 and g.shape[1 + i] > 1]
    return (g.sum(axes) if axes else g).reshape(*g.shape[:2], -1)


class FunctionRule(Rule):
    """Any function of weights and samples: its own vjp at a single sample, vectorised over samples and outputs.

    A is one of the tensors of samples; the site holds all of them among its function's flattened arguments.
    """

    parameters = ()

    def applies(self, module: Module, A: Tensor) -> bool:
        return all(module.arguments[i].ndim > 0 and len(module.arguments[i]) == len(A) for i in module.varying)

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        return A.new_empty(0)

    def gradients(self, module: Module, P: Tensor, g: Tensor) -> dict[str, Tensor]:
        weights = {name: module.arguments[i] for name, i in module.places.items()}
        varying = [module.arguments[i] for i in module.varying]

        def of_sample(xs: list[Tensor], g_row: Tensor) -> dict[str, Tensor]:
            def y(w: dict[str, Tensor]) -> Tensor:
                arguments = list(module.arguments)
                for i, x in zip(module.varying, xs, strict=True):
                    arguments[i] = x.unsqueeze(0)
                for name, i in module.places.items():
                    arguments[i] = w[name]
                with Mended():
                    return called(module.function, arguments, module.tree).squeeze(0)

            return vmap(vjp(y, weights)[1])(g_row)[0]

        with torch.enable_grad():
            parts = vmap(of_sample, (0, 1))(varying, g)
        return {name: part.detach().flatten(2).transpose(0, 1) for name, part in parts.items()}


def called(function: Any, arguments: list[Any], tree: TreeSpec) -> Tensor:
    """function(*args, **kwargs) for arguments that `tree` flattened."""
    args, kwargs = tree_unflatten(arguments, tree)
    y: Tensor = function(*args, **kwargs)
    return y

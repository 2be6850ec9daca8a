"""Small networks under a parametrisation, by short names: "mlp", "resmlp-2", "ccp-4", "skip-2-sum", "deep"."""

from typing import Any

import torch
from torch import nn

from hpnets.models import create_model

BASE, BASE_CHANNELS, DEEP_WIDTH = 32, 8, 64
SKIP: dict[str, Any] = {"scale_inputs": True}
DEEP = ("resmlp", "deep", "deepskip")
COPIED = "-copied"


def rated(name: str, kind: str, size: int, inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """The network at a size: its width, or the number of branches of one that is deep (DEEP).

    mlp: two hidden ReLU layers. linear: one hidden layer without activation. ccp-N: no activation. skip-N: pnn_skip,
    ReLU. pinet: two blocks, GroupNorm. deep, deepskip: ccp, pnn_skip of degree size + 1. resmlp-k: blocks of k layers.
    -sum: the additive twin. -copied: units that are copies of those of a network of the base width. Base width 32, of
    pinet 8; deep ones are 64 wide. mlp, linear and resmlp-k have no biases.
    """
    if name.endswith(COPIED):
        return copied(*(rated(name.removesuffix(COPIED), kind, width, inputs, outputs) for width in (BASE, size)))
    family, *rest = name.removesuffix("-sum").split("-")
    made: dict[str, Any] = {"input_shape": inputs, "output_dim": outputs, "parametrisation": kind}
    wide: dict[str, Any] = {"width": size, **based(kind, BASE)}
    deep: dict[str, Any] = {"width": DEEP_WIDTH, **based(kind, DEEP_WIDTH)}
    product: dict[str, Any] = {"product": "sum" if name.endswith("-sum") else "hadamard"}
    if family == "mlp":
        return create_model("mlp", depth=2, bias=False, **made, **wide)
    if family == "linear":
        return create_model("mlp", depth=1, bias=False, activation="none", **made, **wide)
    if family == "resmlp":
        return create_model("resmlp", depth=size, layers=int(rest[0]), bias=False, **made, **deep)
    if family in DEEP:
        own = SKIP if family == "deepskip" else {}
        return create_model("pnn_skip" if own else "ccp", degree=size + 1, **own, **product, **made, **deep)
    if family == "pinet":
        options: dict[str, Any] = {"blocks": [1, 1], "norm": "group", "width": size, **based(kind, BASE_CHANNELS)}
        return create_model("pinet", **product, **made, **options)
    own = SKIP if family == "skip" else {}
    return create_model({"skip": "pnn_skip"}.get(family, family), degree=int(rest[0]), **own, **product, **made, **wide)


@torch.no_grad()
def copied(narrow: nn.Module, wide: nn.Module) -> nn.Module:
    """The wide network, each unit of the narrow one in it as often as the widths' ratio.

    Where no layer multiplies units by units (pnn_skip) the two are the same function under mup, and stay so in
    training: the read-out takes means over the units, and rates grow as the width.
    """
    for p, own in zip(wide.parameters(), narrow.parameters(), strict=True):
        unit = own.data
        for dim, (size, of) in enumerate(zip(p.shape, own.shape, strict=True)):
            unit = unit.repeat_interleave(size // of, dim)
        p.copy_(unit)
    return wide


def based(kind: str, width: int) -> dict[str, Any]:
    """The base width, for the parametrisations that have one."""
    return {"base_width": width} if kind not in ("standard", "ntk") else {}

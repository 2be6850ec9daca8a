"""Small networks under a parametrisation, by short names: "mlp", "linear", "resmlp-2", "ccp-4", "skip-2-sum", "pinet"."""

from typing import Any

from torch import nn

from hpnets.models import create_model

BASE, BASE_CHANNELS, DEEP_WIDTH = 32, 4, 64


def rated(name: str, kind: str, size: int, inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """The network at a size: its width, or the number of branches of one that is deep ("resmlp-k", "deep", "deep-sum").

    mlp: two hidden ReLU layers. linear: one hidden layer without activation. ccp-N: no activation. skip-N: pnn_skip,
    ReLU. pinet: two blocks, GroupNorm. deep: a ccp of degree size + 1, width 64. resmlp-k: blocks of k layers, width 64.
    -sum: the additive twin. Base width 32, of pinet 4, and 64 of deep ones; mlp, linear and resmlp-k have no biases.
    """
    family, *rest = name.removesuffix("-sum").split("-")
    made: dict[str, Any] = {"input_shape": inputs, "output_dim": outputs, "parametrisation": kind}
    wide: dict[str, Any] = {"width": size, **based(kind, BASE)}
    deep: dict[str, Any] = {"width": DEEP_WIDTH, **based(kind, DEEP_WIDTH)}
    product = {"product": "sum" if name.endswith("-sum") else "hadamard"}
    if family == "mlp":
        return create_model("mlp", depth=2, bias=False, **made, **wide)
    if family == "linear":
        return create_model("mlp", depth=1, bias=False, activation="none", **made, **wide)
    if family == "resmlp":
        return create_model("resmlp", depth=size, layers=int(rest[0]), bias=False, **made, **deep)
    if family == "deep":
        return create_model("ccp", degree=size + 1, **product, **made, **deep)
    if family == "pinet":
        options = {"blocks": [1, 1], "norm": "group", "width": size, **based(kind, BASE_CHANNELS)}
        return create_model("pinet", **product, **made, **options)
    own = {"scale_inputs": True} if family == "skip" else {}
    return create_model({"skip": "pnn_skip"}.get(family, family), degree=int(rest[0]), **own, **product, **made, **wide)


def based(kind: str, width: int) -> dict[str, Any]:
    """The base width, for the parametrisations that have one."""
    return {"base_width": width} if kind not in ("standard", "ntk") else {}

"""One small network of each family that has a limit, at any width."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model

OUTPUTS = 4
VECTOR, IMAGE = (4,), (2, 8, 8)
WIDTHS = {VECTOR: (64, 128, 256, 512, 1024, 2048), IMAGE: (32, 64, 128, 256)}


@dataclass(frozen=True)
class Case:
    """A model with its options; `wide` gives the options that grow with the width.

    Points are multiplied by `scale`, and with `natural` also by sqrt(width / natural): the stem of a `ResidualNet`,
    drawn by He with fan_out, has the gain 2 channels / width, so the limit itself would change with the width. `seeds`
    is 16 wherever 8 seeds leave the slope a standard error above 0.1.
    """

    model: str
    shape: tuple[int, ...] = VECTOR
    options: dict[str, Any] = field(default_factory=dict)
    wide: Callable[[int], dict[str, Any]] = lambda width: {}
    widths: tuple[int, ...] = ()
    scale: float = 1.0
    natural: int | None = None
    seeds: int = 8

    @property
    def points_scale(self) -> str:
        """The factor of the points, in words."""
        factors = [f"{self.scale:g}"] if self.scale != 1 or self.natural is None else []
        return " ".join(factors + ([] if self.natural is None else [f"sqrt(m/{self.natural})"]))

    def build(self, width: int, seed: int) -> nn.Module:
        """The network in float64 and eval mode."""
        torch.manual_seed(seed)
        options = {**self.options, **self.wide(width), "width": width}
        net = create_model(self.model, input_shape=self.shape, output_dim=OUTPUTS, **options)
        return net.double().eval()

    def points(self, n: int = 4, width: int | None = None) -> Tensor:
        """n normal points times the scale for a network of that width; None means the natural width."""
        x = torch.randn(n, *self.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        grown = 1.0 if width is None or self.natural is None else math.sqrt(width / self.natural)
        return self.scale * grown * x


def styled(width: int) -> dict[str, Any]:
    """Options by which the mapping network grows with the width."""
    return {"style_width": width}


def headed(width: int) -> dict[str, Any]:
    """Options by which the number of heads, of 4 channels each, grows with the width."""
    return {"heads": width // 4}


LINEAR: dict[str, Any] = {"activation": "none"}
CASES = {
    "mlp": Case("mlp", options={"depth": 2}),
    "mlp-gelu": Case("mlp", options={"depth": 2, "activation": "gelu"}),
    "resmlp": Case("resmlp", options={"depth": 2}),
    "ccp": Case("ccp", options={"degree": 3}),
    "ccp-relu": Case("ccp", options={"degree": 3, "activation": "relu"}),
    "ccp-additive": Case("ccp", options={"degree": 3, "activation": "relu", "product": "sum"}),
    "ncp": Case("ncp", options={"degree": 3}),
    "ncp_skip": Case("ncp_skip", options={"degree": 3, "activation": "relu"}),
    "cope": Case("cope", options={"degree": 3}),
    "pnn": Case("pnn", options={"degree": 2, "scale_inputs": True}),
    "pnn_skip": Case("pnn_skip", options={"degree": 3, "scale_inputs": True}),
    "prodpoly": Case("prodpoly", seeds=16),
    "quadratic": Case("quadratic", options={"depth": 1}),
    "bilinear": Case("bilinear"),
    "glu": Case("glu"),
    "swiglu": Case("swiglu"),
    "complex_mlp": Case("complex_mlp", options={"complex_input": True}),
    "complex_ccp": Case("complex_ccp", options={"degree": 2, "skip": False, "complex_input": True}),
    "complex_ccp-split": Case(
        "complex_ccp", options={"degree": 3, "activation": "split_relu", "complex_input": True}, seeds=16
    ),
    "mfn_fourier": Case("mfn_fourier", options={"depth": 3, "frequency": 1.0}),
    "bacon": Case("bacon", options={"depth": 3, "frequency": 1}),
    "siren": Case("siren", options={"depth": 2, "omega": 3.0}),
    "fourier_features": Case("fourier_features", options={"scale": 0.1}),
    "poly_inr": Case("poly_inr", options={**LINEAR, "levels": 2}),
    "cnn": Case("cnn", IMAGE, seeds=16),
    "linear_attention": Case("linear_attention", IMAGE, {"depth": 1}, headed, seeds=16),
    "monet": Case("monet", IMAGE, seeds=16),
    "style_classifier": Case("style_classifier", IMAGE, {"depth": 1}, styled, (64, 128, 256, 512), seeds=16),
    "film": Case("film", IMAGE, LINEAR, styled, scale=0.4, seeds=16),
    "se_resnet": Case("se_resnet", IMAGE, LINEAR, natural=16),
    "resnet18": Case("resnet18", IMAGE, LINEAR, widths=(16, 32, 64, 128), natural=64, seeds=16),
    "pinet": Case("pinet", IMAGE, LINEAR, natural=16, seeds=16),
    "pdc": Case("pdc", IMAGE, {**LINEAR, "alpha0": 0.5}, scale=0.5, natural=16, seeds=16),
    "rpolynet": Case("rpolynet", IMAGE, LINEAR, natural=16, seeds=16),
}

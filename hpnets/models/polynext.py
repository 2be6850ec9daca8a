"""PolyNeXt: a polynomial alternative to convolutional and attention backbones, all of whose bends are products."""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

from torch import Tensor, nn

from hpnets.layers import make_product
from hpnets.models.backbone import Blocks
from hpnets.models.options import Product, choice
from hpnets.models.polynext_cells import Cell, Maps, depthwise, kaiming
from hpnets.models.pyramid import Scaling
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes
from hpnets.validate import image_shape, require

FORMS, NORMS = ("conv", "attention"), ("layer", "batch", "none")


class Size(NamedTuple):
    """Channels, cells and pairs of branches a cell, of each stage; stride of the stem; a full convolution into x."""

    widths: tuple[int, ...]
    cells: tuple[int, ...]
    pairs: tuple[int, ...]
    stride: int = 4
    full: bool = True


SIZES = {
    "mini": Size((16, 32, 64), (1, 1, 1), (1, 1, 1), stride=1, full=False),
    "lr": Size((72, 144, 288), (2, 3, 3), (3, 3, 3), stride=1, full=False),
    "t": Size((48, 96, 192, 288), (2, 2, 6, 2), (3, 3, 3, 3), full=False),
    "s": Size((72, 144, 288, 432), (3, 3, 8, 3), (3, 4, 4, 4)),
    "b": Size((84, 168, 336, 504), (3, 5, 10, 3), (4, 4, 4, 4)),
    "l": Size((96, 192, 384, 576), (3, 6, 12, 3), (4, 4, 4, 4)),
}


@dataclass(frozen=True)
class PolyNeXtOptions(OptionSet):
    """The stages, what mixes positions in the third and later ones, and the norm of all."""

    size: Annotated[str, choice("mini: 16 wide, 3 cells; lr: for small images; the others are the paper's", SIZES)] = (
        "mini"
    )
    width: Scaling = None
    blocks: Blocks = None
    form: Annotated[str, choice("conv, or attention from the third stage on", FORMS)] = "conv"
    norm: Annotated[str, choice("layer, or batch at each position, or none: a polynomial with conv", NORMS)] = "layer"
    product: Product = "hadamard"

    def stages(self) -> list[tuple[int, int, int]]:
        """Channels, cells and pairs of each stage; ValueError for more `blocks` than the size has stages."""
        own = SIZES[self.size]
        cells = self.blocks or own.cells
        fits, most = len(cells) <= len(own.cells), len(own.cells)
        require(fits, "blocks", list(cells), f"a list of integers >= 1, for at most {most} stages")
        widths = [max(w * (self.width or own.widths[0]) // own.widths[0], 1) for w in own.widths]
        return list(zip(widths, cells, own.pairs, strict=False))


class Halving(nn.Module):
    """The outputs of the last two cells, each by a convolution of stride 2 of its own: depthwise and 1x1, or 3x3."""

    def __init__(self, inputs: int, channels: int, full: bool) -> None:
        super().__init__()
        self.y = nn.Sequential(depthwise(inputs, 3, stride=2), kaiming(inputs, channels))
        separable = nn.Sequential(depthwise(inputs, 3, stride=2), kaiming(inputs, channels))
        self.x = kaiming(inputs, channels, 3, stride=2) if full else separable

    def forward(self, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.y(y), self.x(x)


@register_model("polynext")
class PolyNeXt(nn.Module):
    r"""Stages of cells that add gated branches, each a product, and take the outputs of the two cells before.

        x_t = cell(x_{t-2}, x_{t-1}):   z = norm(s_0 * x_{t-2} + s_1 * x_{t-1}),   z = z + sigmoid(lambda_i) f_i(z)
        f_i = norm(W_o DW(DW(h) * R DW(h))), h = W_i z, and W_o norm((W_a z) * (W_b z)), in turn
        f = C mean(l + l * r) + c,   (l, r) = W norm(x_T)

    images: (batch, channels, height, width), 8x8 and more; f: (batch, output_dim); R: channels in reverse; see
    `polynext_cells` for the branches and for form "attention", which has (sigmoid(s) Q K^T + 1)^4, rows divided by
    their sums, in place of the first branch from the third stage on. Both outputs are halved in resolution before each
    stage but the first; the stem is 3x3 in "mini" and "lr", and 7x7 of stride 4 else. There is no activation. With form
    "conv" and norm "batch" (in eval mode) or "none" f has degree 2^(B + 1), B branches in all; with norm "batch" the
    gains and statistics of each position fix the size of the images. Weights of cells and of what halves start as
    N(0, 2 / fan_in), others as torch draws them. The additive twin has sums for all products.

    Ours differs: no dropout or stochastic depth; each branch has its own lambda, which starts at 0, -1/2, -1, .. in all
    sizes (in T two branches share one, in L all are less by 1/2); with norm "batch" attention's rows are divided by
    their own sums still.

    Raises ValueError for inputs that are no images of 8x8 or more, for more `blocks` than stages, and for what the
    options do not allow.
    Source: Wang, Gregory and Chrysos 2026, "Activation-Free Backbones for Image Recognition" (arXiv 2605.20839).
    """

    @takes(PolyNeXtOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: PolyNeXtOptions) -> None:
        super().__init__()
        inputs, height, width = image_shape(input_shape, minimum=8)
        own, stages = SIZES[o.size], o.stages()
        if o.norm != "batch":
            self.least_side = 8
        channels, step = stages[0][0], own.stride
        kernel = 3 if step == 1 else 7
        self.stem = nn.Conv2d(inputs, channels, kernel, step, kernel // 2, bias=False)
        maps = Maps(channels, -(-height // step), -(-width // step), o.norm, o.product)
        self.halving, self.stages = nn.ModuleList(), nn.ModuleList()
        for i, (outputs, cells, pairs) in enumerate(stages):
            if i > 0:
                self.halving.append(Halving(maps.channels, outputs, own.full))
                maps = maps.halved(outputs)
            late = i >= 2
            thin = late and own.stride > 1
            stage = replace(maps, kernel=5 if i else 3, attention=late and o.form == "attention")
            stage = replace(stage, mixed=0.75, paired=0.875) if thin else stage
            self.stages.append(nn.ModuleList(Cell(stage, pairs) for _ in range(cells)))
        self.norm = maps.make_norm(maps.channels)
        self.W = nn.Conv2d(maps.channels, 4 * maps.channels, 1, bias=False)
        self.C = nn.Linear(2 * maps.channels, output_dim)
        self.product = make_product(o.product)

    def degree_in_x(self) -> int | None:
        cells = [module for module in self.modules() if isinstance(module, Cell)]
        quotient = any(hasattr(f, "attend") for cell in cells for f in cell.f)
        return None if quotient and not self.product.additive else 2 ** (1 + sum(len(cell.f) for cell in cells))

    def forward(self, x: Tensor) -> Tensor:
        y = x = self.stem(x)
        for halving, cells in zip([None, *self.halving], self.stages, strict=True):
            y, x = halving(y, x) if halving else (y, x)
            for cell in cells.children():
                y, x = x, cell(y, x)
        l, r = self.W(self.norm(x)).chunk(2, 1)
        return self.C((l + self.product(l, r)).mean((2, 3)))

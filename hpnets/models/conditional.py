"""The residual backbone with modulated norms, which FiLM, AdaIN and SPADE share: they differ in the modulation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from hpnets.layers.modulation import BARE_NORMS
from hpnets.models.backbone import BasicBlock, ResidualNet, StageOptions, smallest_image
from hpnets.models.options import choice, count

MakeModulation = Callable[[int], nn.Module]
BareNorm = Annotated[str, choice("normalisation that is modulated; instance wants 16x16 with size 18", BARE_NORMS)]
StyleWidth = Annotated[int, count("units of a layer of the mapping network, from the image to its style")]
MappingDepth = Annotated[int, count("layers of the mapping network")]


@dataclass(frozen=True)
class StyleOptions(StageOptions):
    """Stages of blocks that are modulated by a style."""

    style_width: StyleWidth = 32
    mapping_depth: MappingDepth = 2


def smallest_modulated(norm: str, o: StageOptions) -> int:
    """The least height and width: instance normalisation of one position is 0, so the last stage needs two."""
    least, (_, blocks) = smallest_image(o.stem), o.stages()
    return max(least, least // 8 * 2 ** len(blocks)) if norm == "instance" else least


class ModulatedBlock(BasicBlock):
    r"""y = s(o + shortcut(x)), o = mod(conv s(mod(conv x, c)), c), mod(h, c) = (1 + gamma(c)) * norm(h) + beta(c)."""

    degree = None

    def __init__(self, inputs: int, channels: int, stride: int, activation: str, make: MakeModulation) -> None:
        super().__init__(inputs, channels, stride, "none", activation)
        self.bn1, self.bn2 = make(channels), make(channels)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:  # type: ignore[override]
        h = self.act(self.bn1(self.conv1(x), c))
        return self.act(self.branch_scale(self.bn2(self.conv2(h), c)) + self.downsample(x))


class ConditionalNet(ResidualNet):
    r"""A residual net whose blocks are modulated by c = condition(images).

    `make(channels)` builds a modulation, called with (feature map, c); stem and shortcuts have no norm.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_dim: int,
        condition: nn.Module,
        make: MakeModulation,
        o: StageOptions,
        activation: str,
        least_side: int,
    ) -> None:
        def block(inputs: int, channels: int, stride: int) -> nn.Module:
            return ModulatedBlock(inputs, channels, stride, activation, make)

        super().__init__(input_shape, output_dim, block, *o.stages(), "none", activation, o.stem)
        self.condition, self.least_side = condition, least_side

    def forward(self, x: Tensor) -> Tensor:
        c, x = self.condition(x), self.stem(x)
        for block in self.blocks():
            x = block(x, c)
        return self.read_out(x)

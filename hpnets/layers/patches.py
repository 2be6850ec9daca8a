"""Images as tokens, and normalisation over the channels of a feature map."""

from torch import Tensor, nn

from hpnets.validate import at_least, image_shape


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels at each position of (batch, channels, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6, bias: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Patches(nn.Module):
    """Disjoint patches as tokens: (batch, channels, H, W) to (batch, n, width), n = floor(H/patch) floor(W/patch).

    Rows and columns that do not fill a patch are left out. Raises ValueError for inputs that are no images of 8x8 and
    of patch x patch or more, and for a patch < 1.
    """

    def __init__(self, input_shape: tuple[int, ...], width: int, patch: int) -> None:
        super().__init__()
        channels, height, columns = image_shape(input_shape, minimum=max(8, at_least("patch", patch, 1)))
        self.n = (height // patch) * (columns // patch)
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)

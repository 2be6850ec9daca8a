"""Softmax-free attention: a transformer whose attention is a product of three linear maps."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from hpnets.layers import BranchScale, make_activation, make_product
from hpnets.layers.patches import Patches
from hpnets.models.options import Activation, Product, choice, count
from hpnets.models.registry import register_model
from hpnets.option_sets import OptionSet, takes

TOKEN_NORMS = ("layer", "none")


@dataclass(frozen=True)
class LinearAttentionOptions(OptionSet):
    """Size of the network and of its patches, and the blocks'."""

    depth: Annotated[int, count("blocks of the network")] = 2
    width: Annotated[int, count("channels of a token")] = 32
    heads: Annotated[int, count("heads of attention, a divisor of width")] = 2
    patch: Annotated[int, count("height and width of a patch")] = 4
    norm: Annotated[str, choice("normalisation of a token; none keeps a polynomial", TOKEN_NORMS)] = "layer"
    activation: Activation = "gelu"
    product: Product = "hadamard"


def token_norm(name: str, width: int) -> nn.Module:
    """ "layer" or "none" over the last axis; only "none" keeps a polynomial."""
    return nn.LayerNorm(width) if name == "layer" else nn.Identity()


class Attention(nn.Module):
    r"""O ((Q K^T) V) / n for each head, Q = W_Q x, K = W_K x, V = W_V x, without bias: of degree 3 in x.

    x: (batch, n, width), as is the output; computed as Q (K^T V), which grows linearly with n. A head of one channel is
    the Hadamard product q_i * mean_j(k_j * v_j); with product="sum" it is q_i + mean_j(k_j + v_j), for heads of any
    width: the additive twin, of degree 1.
    """

    def __init__(self, width: int, heads: int, product: str = "hadamard") -> None:
        super().__init__()
        self.heads, self.product = heads, make_product(product)
        self.contracted = () if self.product.additive else ("W_Q.weight",)  # a sum of q and k is over no width
        self.W_Q, self.W_K, self.W_V, self.O = (nn.Linear(width, width, bias=False) for _ in range(4))
        for layer in (self.W_Q, self.W_K, self.W_V, self.O):
            nn.init.normal_(layer.weight, std=width**-0.5)

    def split(self, x: Tensor) -> Tensor:
        """(batch, n, width) to (batch, heads, n, width / heads)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.product.additive:
            context = self.product(self.W_K(x), self.W_V(x)).mean(1, keepdim=True)
            return self.O(self.product(self.W_Q(x), context.expand_as(x)))
        Q, K, V = self.split(self.W_Q(x)), self.split(self.W_K(x)), self.split(self.W_V(x))
        return self.O((Q @ (K.transpose(2, 3) @ V) / x.shape[1]).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + A(norm x), then x + W_2 s(W_1 norm x), W_1 of 2 width rows."""

    def __init__(self, width: int, heads: int, norm: str, activation: str, product: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = token_norm(norm, width), token_norm(norm, width)
        self.attention = Attention(width, heads, product)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), make_activation(activation), nn.Linear(2 * width, width))
        self.branch_scale = BranchScale(uses=2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.branch_scale(self.attention(self.norm1(x)))
        return x + self.branch_scale(self.mlp(self.norm2(x)))


@register_model("linear_attention")
class LinearAttention(nn.Module):
    r"""Vision transformer without softmax.

        x = patches(image) + p;   `depth` times x = x + A(norm x), x = x + W_2 s(W_1 norm x);   f = C mean(norm x) + c
        A(x) = O ((Q K^T) V) / n,   Q = W_Q x,   K = W_K x,   V = W_V x

    image: (batch, channels, height, width), 8x8 and more; x: (batch, n, width), n patches; p: learnt positions; f:
    (batch, output_dim). With norm "none" and activation "none" f has degree 3^depth in the image exactly.
    The additive twin has A(x)_i = O (q_i + mean_j(k_j + v_j)): with norm and activation "none" it is affine.

    Raises ValueError for inputs that are no images of 8x8 and of a patch, heads that do not divide width, and for what
    the options do not allow.
    Source: Katharopoulos et al. 2020 (arXiv 2006.16236) with the identity as feature map, scaled by 1/n and not
    normalised.
    """

    @takes(LinearAttentionOptions)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: LinearAttentionOptions) -> None:
        super().__init__()
        if o.width % o.heads:
            raise ValueError(f"heads is {o.heads}; allowed: a divisor of width, {o.width}")
        self.patches = Patches(input_shape, o.width, o.patch)
        self.p = nn.Parameter(0.02 * torch.randn(1, self.patches.n, o.width))
        block = (o.width, o.heads, o.norm, o.activation, o.product)
        self.blocks = nn.Sequential(*(Block(*block) for _ in range(o.depth)))
        self.norm = token_norm(o.norm, o.width)
        self.C = nn.Linear(o.width, output_dim)

    def degree_in_x(self) -> int:
        return 3 ** len(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.patches(x) + self.p)
        return self.C(self.norm(x).mean(1))

"""The rule of Embedding, which is a Linear layer without bias whose inputs are one-hot."""

import torch.nn.functional as F
from torch import Tensor, nn

from hpnets.ntk._rules.base import Module, OuterRule, register_rule


@register_rule(nn.Embedding)
class EmbeddingRule(OuterRule):
    """P is the one-hot code of the S tokens of a sample; I is the size of the vocabulary."""

    parameters = ("weight",)

    def applies(self, module: Module, A: Tensor) -> bool:
        return not A.is_floating_point() and module.max_norm is None and not module.scale_grad_by_freq

    def prepare(self, module: Module, A: Tensor) -> Tensor:
        code = F.one_hot(A.reshape(len(A), 1, -1), module.num_embeddings).to(module.weight.dtype)
        if module.padding_idx is not None:
            code[..., module.padding_idx] = 0
        return code

    def channels(self, module: Module, g: Tensor) -> Tensor:
        return g.reshape(*g.shape[:2], 1, -1, g.shape[-1]).transpose(-1, -2)

    def bias(self, module: Module, g: Tensor) -> Tensor:
        raise ValueError("an embedding has no bias")

    def weight(self, W: Tensor) -> Tensor:
        return W.transpose(-1, -2).flatten(2)

"""Networks of timm and torchvision with fewer or narrower layers, for families whose published ones are too large."""

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torchvision.models as tv
from timm.layers import GluMlp
from timm.models import byobnet, metaformer, mlp_mixer, mvitv2
from torch import nn
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2

SIDE = 64
STAGES = {"depths": (1, 1, 2, 1)}
WINDOWS = {"embed_dim": 48, "depths": (2, 2, 2), "num_heads": (2, 4, 8)}
PYRAMID = {"embed_dims": (32, 64, 96, 128), "num_heads": (1, 2, 3, 4), **STAGES}
TOKENS = {"embed_dim": 96, "depth": 3, "num_heads": 3}
MIXER = {"img_size": SIDE, "embed_dim": 128, "num_blocks": 4}
RESMLP = {"block_layer": mlp_mixer.ResBlock, "norm_layer": mlp_mixer.Affine, "mlp_ratio": 4.0}
METAFORMER = {"dims": (32, 64, 96, 128), **STAGES}
LAYERS = {"layers": (1, 1, 1, 1)}
# Options, each with the names of the networks that take them, parted by blanks.
ALIKE: list[tuple[dict[str, Any], str]] = [
    (TOKENS, "vit_small_patch16_224 vit_base_patch16_siglip_224 vit_base_patch16_rope_224 samvit_base_patch16"),
    (TOKENS, "vit_relpos_small_patch16_224 vit_srelpos_small_patch16_224 vit_wee_patch16_reg1_gap_256"),
    (TOKENS, "vit_dpwee_patch16_reg1_gap_256 beit_base_patch16_224 deit3_small_patch16_224 eva02_small_patch14_224"),
    (TOKENS, "naflexvit_base_patch16_gap naflexvit_base_patch16_map"),
    ({**WINDOWS, "window_size": 4}, "swin_tiny_patch4_window7_224 swinv2_tiny_window8_256"),
    (WINDOWS, "swinv2_cr_tiny_224 swinv2_cr_tiny_ns_224"),
    (PYRAMID, "twins_svt_small twins_pcpvt_small davit_tiny"),
    ({"embed_dim": 32, "stages": (1, 1, 2, 1)}, "hiera_tiny_224 sam2_hiera_tiny"),
    (LAYERS, "res2net50_26w_4s res2next50 ecaresnet26t resnext50_32x4d resnetaa34d resnetv2_50 skresnet34"),
]
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: options for options, names in ALIKE for name in names.split()},
    "cait_xxs24_224": {"depth": 4},
    "rdnet_tiny": {"num_init_features": 32, "growth_rates": (16,) * 7},
    "sequencer2d_s": {"layers": (1, 1, 2, 1), "embed_dims": (48, 96, 96, 96), "hidden_sizes": (12, 24, 24, 24)},
    "tnt_s_patch16_224": {"embed_dim": 96, "inner_dim": 16, "depth": 3, "num_heads_outer": 4},
    "tresnet_m": {"layers": (1, 1, 1, 1), "width_factor": 0.5},
    "vitamin_small_224": {"depth": 2},
}


def create(name: str, outputs: int, side: int = SIDE, **options: Any) -> nn.Module:
    """A timm network with random weights; it is given the images' side if its input size is fixed."""
    about = timm.get_pretrained_cfg(name)
    size: dict[str, Any] = {"img_size": side} if about is not None and about.fixed_input_size else {}
    return timm.create_model(name, pretrained=False, num_classes=outputs, **size, **options)


def byob(self_attention: str, outputs: int, **options: Any) -> nn.Module:
    """A convolutional bottleneck, then two blocks with self-attention, as in BoTNet and HaloNet."""
    kinds = (("bottle", 64, 1), ("self_attn", 128, 2), ("self_attn", 256, 2))
    config = byobnet.ByoModelCfg(
        tuple(byobnet.ByoBlockCfg(kind, d=1, c=c, s=s, gs=0, br=0.25) for kind, c, s in kinds),
        fixed_input_size=True,
        self_attn_layer=self_attention,
        self_attn_kwargs=options,
    )
    return byobnet.ByobNet(config, num_classes=outputs, img_size=SIDE)


def of_timm(name: str, **options: Any) -> Callable[[int], nn.Module]:
    """A function of the number of outputs that makes a network of a timm class."""
    return lambda outputs: getattr(timm.models, name)(num_classes=outputs, **options)


def of_torchvision(name: str, **options: Any) -> Callable[[int], nn.Module]:
    """A function of the number of outputs that makes a network of a torchvision class."""
    return lambda outputs: getattr(tv, name)(num_classes=outputs, **options)


VOLO = {"layers": (1, 1, 2, 1), "embed_dims": (48, 96, 96, 96), "num_heads": (2, 4, 4, 4)}
NEST = {"embed_dims": (32, 64, 96), "num_heads": (1, 2, 3), "depths": (1, 1, 2)}
MVIT = mvitv2.MultiScaleVitCfg(depths=(1, 1, 2, 1), embed_dim=32)
CAFORMER = {
    "token_mixers": [metaformer.SepConv, metaformer.SepConv, metaformer.Attention, metaformer.Attention],
    "norm_layers": [metaformer.LayerNorm2dNoBias] * 2 + [metaformer.LayerNormNoBias] * 2,
}
SWIN = {"patch_size": [4, 4], "embed_dim": 48, "depths": [2, 2], "num_heads": [2, 4], "window_size": [4, 4]}
V2 = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
VIT = {"image_size": SIDE, "patch_size": 16, "num_layers": 3, "num_heads": 4, "hidden_dim": 96, "mlp_dim": 384}
MAXVIT = {"stem_channels": 16, "block_channels": [16, 32], "block_layers": [1, 1], "head_dim": 16}
SMALLER: dict[str, Callable[[int], nn.Module]] = {
    **{f"timm-small/{name}": partial(create, name, **options) for name, options in OPTIONS.items()},
    "timm-small/botnet": partial(byob, "bottleneck"),
    "timm-small/halonet": partial(byob, "halo", block_size=4, halo_size=1),
    "timm-small/lambdanet": partial(byob, "lambda", r=5),
    "timm-small/mixer": of_timm("MlpMixer", **MIXER),
    "timm-small/gmixer": of_timm("MlpMixer", **MIXER, mlp_layer=GluMlp, act_layer=nn.SiLU, mlp_ratio=(1.0, 4.0)),
    "timm-small/resmlp": of_timm("MlpMixer", **MIXER, **RESMLP),
    "timm-small/convmixer": of_timm("ConvMixer", dim=96, depth=4),
    "timm-small/focalnet": of_timm("FocalNet", embed_dim=32, layerscale_value=1e-4, **STAGES),
    "timm-small/volo": of_timm("VOLO", img_size=SIDE, **VOLO),
    "timm-small/nest": of_timm("Nest", img_size=SIDE, **NEST),
    "timm-small/mvit": of_timm("MultiScaleVit", cfg=MVIT, img_size=(SIDE, SIDE)),
    "timm-small/caformer": of_timm("MetaFormer", **METAFORMER, **CAFORMER),
    "torchvision-small/densenet": of_torchvision("DenseNet", growth_rate=12, block_config=(3, 3, 3, 3)),
    "torchvision-small/swin": of_torchvision("SwinTransformer", **SWIN),
    "torchvision-small/swin_v2": of_torchvision("SwinTransformer", **SWIN, **V2),
    "torchvision-small/vit": of_torchvision("VisionTransformer", **VIT),
    "torchvision-small/convnext": of_torchvision(
        "ConvNeXt", block_setting=[CNBlockConfig(32, 64, 2), CNBlockConfig(64, None, 2)]
    ),
    "torchvision-small/maxvit": of_torchvision(
        "MaxVit", input_size=(SIDE, SIDE), partition_size=4, stochastic_depth_prob=0.0, **MAXVIT
    ),
}

"""Other people's networks by name, from timm, torchvision and other libraries, at sizes that two cores can bear."""

from collections.abc import Callable
from fnmatch import fnmatch
from importlib.util import find_spec

import torch
from torch import nn
from torchvision.models import get_model

from recipes.checks import tokens
from recipes.checks.language import LANGUAGE
from recipes.checks.libraries import LIBRARIES
from recipes.checks.sequences import FEATURES, LARGE_SEQUENCES, LENGTH, SEQUENCES, STEPS, UNITS
from recipes.checks.smaller import SIDE, SMALLER, create
from recipes.checks.states import estimate_statistics, wake

# Names by the side of the square RGB images, the least of 64, 96, .. 256 that the network takes; it is 96 where
# attention would have hardly any positions at 64.
TIMM = {
    64: """
    botnet26t_256 eca_botnext26ts_256 lambda_resnet26rpt_256 mobileone_s0 mobileone_s1 gernet_s repvgg_a0 resnext26ts
    eca_resnext26ts seresnext26ts gcresnext26ts coat_tiny coat_lite_tiny convit_tiny convnext_zepto_rms
    convnext_zepto_rms_ols convnext_atto convnext_atto_ols convnextv2_atto cpubone_nano cpubone_t0 csatv2
    cs3darknet_focus_s cs3darknet_s cspnext_tiny cspnext_s deit_tiny_patch16_224 deit_tiny_distilled_patch16_224
    densenet121 densenetblur121d dla46x_c dla46_c dla60x_c dpn48b edgenext_xx_small edgenext_x_small edgenext_small_rw
    efficientformerv2_s0 efficientformerv2_s1 mobilenetv2_035 mobilenetv2_050 mnasnet_small tinynet_e tinynet_d
    semnasnet_050 semnasnet_075 efficientnet_b0 efficientnet_lite0 efficientnet_b0_gn efficientnet_b0_g16_evos
    tf_efficientnet_b0 tf_efficientnet_lite0 tf_efficientnetv2_b0 mixnet_s tf_mixnet_s spnasnet_100 fbnetc_100
    efficientnet_es mobilenetv1_100 mobilenet_edgetpu_v2_xs efficientvim_m1 efficientvim_m1_dist efficientvit_b0
    efficientvit_b1 efficientvit_m0 efficientvit_m1 eva02_tiny_patch14_224 vit_tiny_patch16_dinov3_qkvb
    vit_pe_core_tiny_patch16_384 fasternet_t0 fasternet_t1 fastvit_t8 fastvit_t12 fastvit_sa12 gcvit_xxtiny ghostnet_050
    ghostnetv3_050 ghostnet_100 ghostnetv2_100 hardcorenas_a hardcorenas_f hgnetv2_b0 hgnetv2_b1 hrnet_w18_small
    iformer_t iformer_s iformer_m_distilled inception_next_atto lcnetv2_small levit_128s levit_conv_128s levit_128
    lowformer_b0 mambaout_femto maxvit_pico_rw_256 maxvit_rmlp_pico_rw_256 coatnet_pico_rw_224 poolformer_s12
    poolformerv2_s12 gmlp_ti16_224 lcnet_035 lcnet_050 mobilenetv3_small_050 mobilenetv3_small_075
    tf_mobilenetv3_small_075 tf_mobilenetv3_small_minimal_100 mobilenetv4_conv_small_035 mobilenetv4_conv_small
    mobilenetv3_rw fbnetv3_b mobilenetv4_hybrid_medium mobilevit_xxs mobilevit_xs mobilevitv2_050 mobilevitv2_075
    nf_regnet_b0 nf_regnet_b1 nf_resnet26 pit_ti_224 pit_ti_distilled_224 pvt_v2_b0 regnetx_002 regnety_002
    regnetx_004_tv regnety_004 regnetz_005 repghostnet_050 repghostnet_080 repvit_m0_9 repvit_m1 resnest14d resnet10t
    resnet14t resnet18 resnetblur18 resnet18d seresnet18 resnetv2_18 resnetv2_18d rexnet_100 rexnetr_100
    legacy_seresnet18 shvit_s1 skresnet18 starnet_s050 starnet_s100 starnet_s1 swiftformer_xs tiny_vit_5m_224
    visformer_tiny vit_tiny_patch16_224 vit_xsmall_patch16_clip_224 vit_tiny_r_s16_p8_224 ese_vovnet19b_slim_dw
    ese_vovnet19b_slim xcit_nano_12_p8_224 xcit_nano_12_p16_224 test_byobnet test_coatnet test_convnext test_convnext2
    test_convnext3 test_efficientnet test_efficientnet_evos test_efficientnet_gn test_efficientnet_ln test_mambaout
    test_maxvit test_nfnet test_resnet test_vit test_vit2 test_vit3 test_vit4 test_vit_relpos
    """,
    96: "lambda_resnet26t",
    224: "efficientformer_l1",
    240: "crossvit_tiny_240 crossvit_9_dagger_240",
    256: "bat_resnext26ts eca_halonext26ts",
}
TORCHVISION = """
    densenet121 efficientnet_b0 efficientnet_b1 googlenet mnasnet0_5 mnasnet0_75 mnasnet1_0 mobilenet_v2
    mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_x_800mf regnet_y_400mf regnet_y_800mf resnet18
    shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 squeezenet1_0 squeezenet1_1
    """
# Networks that `build` makes but the sweep leaves out, since its reference holds J in float64.
LARGE = ("timm/swin_tiny_patch4_window7_224", "timm/mixer_s32_224", "timm/resmlp_12_224", *LARGE_SEQUENCES)
STATISTICS = 8

SIDES = {f"timm/{name}": side for side, names in TIMM.items() for name in names.split()}
OTHERS: dict[str, Callable[[int], nn.Module]] = {
    **SMALLER,
    **SEQUENCES,
    **LARGE_SEQUENCES,
    **LANGUAGE,
    **{name: other.make for name, other in LIBRARIES.items()},
}
SHAPES = {
    **{name: (3, side, side) for name, side in SIDES.items()},
    **dict.fromkeys((*SEQUENCES, *LARGE_SEQUENCES), (LENGTH, FEATURES)),
    "torch/lstm_650": (STEPS, UNITS),
    **dict.fromkeys(LANGUAGE, (tokens.LENGTH,)),
    **{name: other.shape for name, other in LIBRARIES.items()},
}
NETWORKS = sorted({*SIDES, *(f"torchvision/{name}" for name in TORCHVISION.split()), *OTHERS} - {*LARGE})


def match(patterns: str) -> list[str]:
    """The names that match one of the shell patterns, parted by commas; ValueError for a pattern that none matches."""
    chosen: list[str] = []
    for pattern in patterns.split(","):
        names = [name for name in NETWORKS if fnmatch(name, pattern.strip())]
        if not names:
            raise ValueError(f"nets is {pattern!r}, which none of {len(NETWORKS)} networks matches; allowed: 'timm/*'")
        chosen += [name for name in names if name not in chosen]
    return chosen


def check_installed(names: list[str]) -> None:
    """Raise ValueError if a network is of a library that is not installed."""
    libraries = {name.split("/")[0].removesuffix("-small") for name in names}
    missing = sorted(library for library in libraries if find_spec(library.replace("-", "_")) is None)
    if missing:
        raise ValueError(f"nets takes {', '.join(missing)}, not installed here: pip install -e '.[checks]'")


def build(name: str, outputs: int, dtype: torch.dtype) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with random weights (seed 0) in eval mode, and the shape of a sample."""
    torch.manual_seed(0)
    net = _make(name, outputs).to(dtype)
    shape = SHAPES.get(name, (3, SIDE, SIDE))
    wake(net)
    estimate_statistics(net, torch.randn(STATISTICS, *shape, dtype=dtype))
    return net.eval(), shape


def _make(name: str, outputs: int) -> nn.Module:
    if name in OTHERS:
        return OTHERS[name](outputs)
    library, plain = name.split("/")
    if library == "timm":
        return create(plain, outputs, SIDES.get(name, SIDE))
    options = {"init_weights": True, "aux_logits": False} if plain == "googlenet" else {}
    return get_model(plain, num_classes=outputs, **options)

"""Images a second of every image family, in float32 and bfloat16, beside timm's network with equally shaped weights."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hpnets.models import create_model
from hpnets.statistics import median, middle, table

ABOUT = (
    "Images a second of a forward pass in eval mode under `torch.inference_mode`, batches of {batch} images and 1000 "
    "outputs, in float32 (TF32 off) and in bfloat16 autocast: the median over the rounds (least - greatest). Where "
    "timm has the network, both hold weights of the same shapes and are called in turn, A B A B, after one untimed "
    "call each; ours over timm's is the ratio of the medians."
)
Net = Callable[[int], nn.Module]  # a function of the images' side
RESIDUAL = {"stem": "imagenet"}
# If a family has sizes, the size that the literature compares is taken.
OPTIONS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "resnet18": RESIDUAL,
    **{name: {"size": "18", **RESIDUAL} for name in ("se_resnet", "pinet", "pdc", "rpolynet", "dpolynet")},
    **{name: {"size": "18", **RESIDUAL} for name in ("film", "adain", "spade")},
    "style_classifier": {},
    "starnet": {"size": "s1"},
    "monet": {"size": "t"},
    "focalnet": {"size": "tiny_srf"},
    "van": {"size": "b0"},
    "mambaout": {"size": "femto"},
    "gmlp": {"size": "s16"},
    "linear_attention": {},
}
TWINS = {
    "resnet18": "resnet18",
    "se_resnet": "seresnet18",
    "starnet": "starnet_s1",
    "focalnet": "focalnet_tiny_srf",
    "mambaout": "mambaout_femto",
    "gmlp": "gmlp_s16_224",
}
DTYPES = {"float32": None, "bfloat16": torch.bfloat16}


def ours(name: str, side: int) -> nn.Module:
    """The model for RGB images of that side and 1000 outputs."""
    return create_model(name, input_shape=(3, side, side), output_dim=1000, **OPTIONS[name])


def timms(name: str, side: int) -> nn.Module:
    """timm's network with weights of the same shapes."""
    import timm
    from timm.layers import SEModule

    options: dict[str, Any] = {"img_size": side} if name == "gmlp" else {}
    if name == "se_resnet":  # timm would round the gates' widths up to multiples of 8
        options = {"block_args": {"attn_layer": partial(SEModule, rd_ratio=1 / 4, rd_divisor=1)}}
    return timm.create_model(TWINS[name], num_classes=1000, **options)


def run_throughput(
    models: list[str], sides: list[int], batch: int, repeats: int, device: str, threads: int
) -> list[dict[str, Any]]:
    """One record for each model, side and dtype: images a second in each round, ours and timm's."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    rows = []
    for name in models:
        for side in sides:
            nets = {"ours": ours(name, side)} | ({"timm": timms(name, side)} if name in TWINS else {})
            for dtype, autocast in DTYPES.items():
                measured = in_turn(list(nets.values()), torch.randn(batch, 3, side, side), autocast, repeats, device)
                rows.append({"model": name, "side": side, "dtype": dtype, "batch": batch})
                rows[-1] |= dict(zip(nets, measured, strict=True))
                print(f"  {name} {side} {dtype}: {median(measured[0]):.4g} images/s", flush=True)
    return rows


def in_turn(
    nets: list[nn.Module], x: Tensor, autocast: torch.dtype | None, repeats: int, device: str
) -> list[list[float]]:
    """The images a second of each net in each round, after an untimed call."""
    x, nets = x.to(device), [net.eval().to(device) for net in nets]
    for net in nets:
        seconds(net, x, autocast)
    rounds = [[len(x) / seconds(net, x, autocast) for net in nets] for _ in range(repeats)]
    return [list(rates) for rates in zip(*rounds, strict=True)]


def seconds(net: nn.Module, x: Tensor, autocast: torch.dtype | None) -> float:
    """The seconds of one forward pass."""
    wait = torch.cuda.synchronize if x.is_cuda else lambda: None
    with torch.inference_mode(), torch.autocast(x.device.type, dtype=autocast, enabled=autocast is not None):
        wait()
        start = time.perf_counter()
        net(x)
        wait()
    return time.perf_counter() - start


def throughput_table(rows: list[dict[str, Any]]) -> str:
    """A table with a row for each model, side and dtype."""
    head, lines = ("model", "options", "images", "dtype", "images/s", "timm's", "ours over timm's"), []
    for row in rows:
        options = ", ".join(f"{key} {value}" for key, value in OPTIONS[row["model"]].items())
        cells = [row["model"], options, f"{row['side']}x{row['side']}", row["dtype"], middle(row["ours"], ",.4g")]
        if "timm" in row:
            ratio = median(row["ours"]) / median(row["timm"])
            cells += [f"{TWINS[row['model']]}: {middle(row['timm'], ',.4g')}", f"{ratio:.2f}"]
        lines.append(cells + [""] * (len(head) - len(cells)))
    return table(head, lines)

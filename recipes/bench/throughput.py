"""What every image family costs, counted and measured, beside timm's network with equally shaped weights."""

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from hpnets.models import create_model
from hpnets.models.cost import cost
from hpnets.statistics import median, middle, table
from recipes.bench.passes import PASSES, in_turn, passes, peak_bytes

ABOUT = (
    "Batches of {batch} images and 1000 outputs, in float32 (TF32 off) and, if asked, in bfloat16 autocast. Inference "
    "is a forward pass in eval mode under `torch.inference_mode`; training is a forward and a backward pass of the "
    "cross-entropy, without the optimiser's step. Images a second are the median of the rounds (least - greatest). "
    "Memory is the most that a pass holds beyond weights and images. FLOPs are of one forward pass of one image, the "
    "products of features counted among them. Where timm has the network, both hold weights of the same shapes and are "
    "called in turn, A B A B, after one untimed call each; ours over timm's is the ratio of the medians. Families with "
    "a residual backbone have ImageNet's stem from {least}x{least} on, below it a 3x3 convolution without pooling, and "
    "timm's get the same."
)
LEAST = (
    64  # ImageNet's stem and three stages leave 1x1 of a smaller image, of which adain's instance norm has no variance
)
RESIDUAL = ("resnet18", "se_resnet", "pinet", "pdc", "rpolynet", "dpolynet", "film", "adain", "spade")
# If a family has sizes, the size that the literature compares is taken.
OPTIONS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "resnet18": {},
    **{name: {"size": "18"} for name in RESIDUAL if name != "resnet18"},
    "style_classifier": {},
    "starnet": {"size": "s1"},
    "monet": {"size": "t"},
    "focalnet": {"size": "tiny_srf"},
    "van": {"size": "b0"},
    "mambaout": {"size": "femto"},
    "gmlp": {"size": "s16"},
    "linear_attention": {},
    "polynext": {"size": "t"},
}
TWINS = {
    "resnet18": "resnet18",
    "se_resnet": "seresnet18",
    "starnet": "starnet_s1",
    "focalnet": "focalnet_tiny_srf",
    "mambaout": "mambaout_femto",
    "gmlp": "gmlp_s16_224",
}
# timm's network with activations out of place, as ours are: the kernel's hooks must see their inputs.
OUT_OF_PLACE = "timm, out of place"
DTYPES = {"float32": None, "bfloat16": torch.bfloat16}


def ours(name: str, side: int) -> nn.Module:
    """The model for RGB images of that side and 1000 outputs."""
    options = OPTIONS[name] | ({"stem": "imagenet" if side >= LEAST else "small"} if name in RESIDUAL else {})
    return create_model(name, input_shape=(3, side, side), output_dim=1000, **options)


def timms(name: str, side: int) -> nn.Module:
    """timm's network with weights of the same shapes."""
    import timm
    from timm.layers import SEModule

    options: dict[str, Any] = {"img_size": side} if name == "gmlp" else {}
    if name == "se_resnet":  # timm would round the gates' widths up to multiples of 8
        options = {"block_args": {"attn_layer": partial(SEModule, rd_ratio=1 / 4, rd_divisor=1)}}
    net = timm.create_model(TWINS[name], num_classes=1000, **options)
    if name in RESIDUAL and side < LEAST:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return net


def out_of_place(net: nn.Module) -> nn.Module | None:
    """A copy of the network none of whose activations works in place; None if none does anyway."""
    made = copy.deepcopy(net)
    in_place = [module for module in made.modules() if getattr(module, "inplace", False)]
    for module in in_place:
        setattr(module, "inplace", False)  # noqa: B010  # a module's attribute, to the type checker a tensor
    return made if in_place else None


def contenders(name: str, side: int) -> dict[str, nn.Module]:
    """Our network, and timm's in both ways if it has it."""
    if name not in TWINS:
        return {"ours": ours(name, side)}
    twin = timms(name, side)
    apart = out_of_place(twin)
    return {"ours": ours(name, side), "timm": twin} | ({OUT_OF_PLACE: apart} if apart is not None else {})


def run_throughput(
    models: list[str], sides: list[int], dtypes: list[str], batch: int, repeats: int, device: str, threads: int
) -> Iterator[dict[str, Any]]:
    """Yield a record for each model, side and dtype: its cost, and images a second in each round, ours and timm's."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for name in models:
        for side in sides:
            nets = contenders(name, side)
            costs = {key: vars(cost(net, (3, side, side))) for key, net in nets.items()}
            for dtype in dtypes:
                measured = measure(nets, side, DTYPES[dtype], batch, repeats, device)
                print(f"  {name} {side} {dtype}: {median(measured['ours']['training']):.4g} images/s", flush=True)
                both = {key: {**costs[key], **measured[key]} for key in nets}
                yield {"model": name, "side": side, "dtype": dtype, "batch": batch, **both}


def measure(
    nets: dict[str, nn.Module], side: int, dtype: torch.dtype | None, batch: int, repeats: int, device: str
) -> dict[str, dict[str, Any]]:
    """{net: {pass: images a second in each round, "<pass>_bytes": the peak of its memory}}."""
    x, modules = torch.randn(batch, 3, side, side, device=device), [net.to(device) for net in nets.values()]
    measured: dict[str, dict[str, Any]] = {key: {} for key in nets}
    for name in PASSES:
        calls = passes(name, modules, x, dtype)
        times = in_turn(calls, repeats, device)
        for key, call, seconds in zip(nets, calls, times, strict=True):
            measured[key] |= {name: [batch / s for s in seconds], f"{name}_bytes": peak_bytes(call, device)}
    return measured


def throughput_table(rows: list[dict[str, Any]]) -> str:
    """The least ratio to timm's in a sentence, and a table with a row for each model, side and dtype."""
    head = ["model", "images", "dtype", "parameters", "MFLOPs (products)"]
    for name in PASSES:
        head += [f"{name}, images/s", "MB", "timm's", "MB", "ours over timm's"]
    lines = [line(row) for row in rows]
    return "\n\n".join([*slowest(rows), table(head, lines)])


def line(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    net, size = row["ours"], OPTIONS[row["model"]].get("size")
    title = f"{row['model']} {size}" if size else row["model"]
    cells = [title, f"{row['side']}x{row['side']}", row["dtype"], f"{net['parameters']:,}"]
    cells.append(f"{net['flops'] / 1e6:,.1f} ({net['products'] / 1e6:,.3f})")
    for name in PASSES:
        cells += measured_cells(net, name)
        cells += [*measured_cells(row["timm"], name), f"{ratio(row, name):.2f}"] if "timm" in row else ["-"] * 3
    return cells


def measured_cells(net: dict[str, Any], name: str) -> list[str]:
    """Images a second and megabytes of a pass."""
    return [middle(net[name], ",.4g"), f"{net[f'{name}_bytes'] / 1e6:,.0f}"]


def ratio(row: dict[str, Any], name: str, other: str = "timm") -> float:
    """Our images a second over the other's, of medians."""
    return median(row["ours"][name]) / median(row[other][name])


def slowest(rows: list[dict[str, Any]]) -> list[str]:
    """How often ours is at least as fast as timm's, and the least ratio, as a sentence; [] without timm's."""
    ratios = [(ratio(row, name), row, name) for row in rows if "timm" in row for name in PASSES]
    if not ratios:
        return []
    least, row, name = min(ratios, key=lambda entry: entry[0])
    at_least = sum(value >= 1 for value, *_ in ratios)
    where = f"{row['model']}, {name}, {row['side']}x{row['side']}, {row['dtype']}"
    said = f"Ours is at least as fast as timm's in {at_least} of {len(ratios)} measurements"
    within = sum(overlap(row, name) for _, row, name in ratios)
    said += f", in {within} the rounds of both overlap; the least ratio is {least:.2f} ({where})."
    return [said, *in_place(rows)]


def overlap(row: dict[str, Any], name: str) -> bool:
    """Whether our best round is at least as fast as timm's worst."""
    return max(row["ours"][name]) >= min(row["timm"][name])


def in_place(rows: list[dict[str, Any]]) -> list[str]:
    """What activations in place give timm, as a sentence; [] if none of its networks has any."""
    both = [
        (ratio(row, name), ratio(row, name, OUT_OF_PLACE)) for row in rows if OUT_OF_PLACE in row for name in PASSES
    ]
    if not both:
        return []
    names = ", ".join(dict.fromkeys(row["model"] for row in rows if OUT_OF_PLACE in row))
    theirs, apart = (f"{min(of):.2f} to {max(of):.2f} (median {median(of):.2f})" for of in zip(*both, strict=True))
    return [
        f"timm's activations work in place in {names}; ours never do, since the kernel's hooks must see their inputs. "
        f"There ours over timm's is {theirs}; with timm's activations out of place it is {apart}."
    ]

"""Small networks of other libraries: vision transformers, adapters, flows, graphs, equations, manifolds, images."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recipes.checks.tokens import LENGTH, VOCABULARY, Tokens

IMAGE, SCAN, FEATURES, NODES = (3, 32, 32), (1, 32, 32), 4, 5
# The edges of the graph that every sample has.
EDGES = ((0, 1, 2, 3, 4, 0, 2), (1, 2, 3, 4, 0, 2, 0))

VIT = {"image_size": 32, "patch_size": 8, "dim": 32, "depth": 2, "heads": 2, "mlp_dim": 48}
VISION: dict[str, dict[str, Any]] = {
    "vit.ViT": VIT,
    "simple_vit.SimpleViT": VIT,
    "vit_for_small_dataset.ViT": VIT,
    "deepvit.DeepViT": VIT,
    "rvt.RvT": VIT,
    "learnable_memory_vit.ViT": VIT,
    "simple_vit_with_register_tokens.SimpleViT": VIT,
    "simple_vit_with_fft.SimpleViT": {**VIT, "freq_patch_size": 8},
    "simple_vit_with_value_residual.SimpleViT": VIT,
    "simple_vit_with_qk_norm.SimpleViT": VIT,
    "parallel_vit.ViT": {**VIT, "num_parallel_branches": 2},
    "vit_with_patch_merger.ViT": {**VIT, "patch_merge_layer": 1, "patch_merge_num_tokens": 4},
    "normalized_vit.nViT": VIT,
    "jumbo_vit.JumboViT": {**VIT, "num_jumbo_cls": 1, "jumbo_cls_k": 2, "jumbo_ff_mult": 2},
    "cait.CaiT": {**VIT, "cls_depth": 1},
    "xcit.XCiT": {**VIT, "cls_depth": 1},
    "pit.PiT": {**VIT, "depth": (1, 1)},
    "nest.NesT": {"image_size": 32, "patch_size": 4, "dim": 16, "heads": 2, "num_hierarchies": 2, "block_repeats": 1},
}
DECODER: dict[str, dict[str, Any]] = {
    "plain": {},
    "ff_glu": {"ff_glu": True},
    "rotary": {"rotary_pos_emb": True},
    "rmsnorm": {"use_rmsnorm": True},
    "scalenorm": {"use_scalenorm": True},
    "talking_heads": {"attn_pre_talking_heads": True},
    "sparse": {"attn_sparse_topk": 4},
    "memory": {"attn_num_mem_kv": 4},
    "alibi": {"alibi_pos_bias": True},
    "relative": {"rel_pos_bias": True},
    "sandwich_norm": {"sandwich_norm": True},
    "qk_norm": {"attn_qk_norm": True},
    "gate_values": {"attn_gate_values": True},
    "one_kv_head": {"attn_one_kv_head": True},
    "macaron": {"macaron": True},
    "gate_residual": {"gate_residual": True},
    "shift_tokens": {"shift_tokens": 1},
    "laser": {"attn_laser": True},
    "selective": {"attn_selective": True},
    "on_attention": {"attn_on_attn": True},
    "residual_streams": {"num_residual_streams": 2},
    "softclamp": {"attn_softclamp_logits": True},
    "dynamic_tanh": {"use_dynamic_tanh": True},
    "cope": {"attn_use_cope": True},
    "forgetting": {"attn_data_dependent_alibi": True},
}
ADAPTERS: dict[str, dict[str, Any]] = {
    "Lora": {"r": 2, "init_lora_weights": False},
    "LoHa": {"r": 2, "init_weights": False},
    "LoKr": {"r": 2, "init_weights": False},
    "IA3": {"feedforward_modules": ["2"], "init_ia3_weights": False},
    "FourierFT": {"n_frequency": 5, "init_weights": False},
    "HRA": {"r": 2, "init_weights": False},
    "RandLora": {"r": 2, "init_weights": False},
}
ONE, TWO = {"transforms": 1, "hidden_features": (16,)}, {"transforms": 2, "hidden_features": (16,)}
FLOWS: dict[str, dict[str, Any]] = {
    **{"MAF": TWO, "NICE": TWO, "NSF": ONE, "NCSF": ONE, "SOSPF": ONE, "BPF": ONE},
    **{"NAF": {**ONE, "signal": 4}, "UNAF": {**ONE, "signal": 4}, "GF": {**ONE, "components": 3}},
    "GMM": {"components": 3, "hidden_features": (16,)},
}
GRAPHS: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("GCNConv", "SAGEConv", "GraphConv", "TAGConv", "ARMAConv", "ClusterGCNConv", "LEConv")},
    **{name: {} for name in ("SGConv", "ResGatedGraphConv", "GENConv")},
    **{name: {"heads": 2} for name in ("GATConv", "GATv2Conv", "TransformerConv")},
    "ChebConv": {"K": 2},
}
MANIFOLDS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("orthogonal", "skew", "positive_definite", "sphere", "grassmannian"), ()),
    **dict.fromkeys(("low_rank", "fixed_rank"), (2,)),
}
SCANS: dict[str, dict[str, Any]] = {
    "UNet": {"channels": (4, 8), "strides": (2,), "num_res_units": 1},
    "SegResNet": {"init_filters": 8},
    "DenseNet": {"init_features": 8, "growth_rate": 4, "block_config": (2, 2)},
    "AttentionUnet": {"channels": (4, 8), "strides": (2,)},
    "UNETR": {"img_size": 32, "feature_size": 4, "hidden_size": 24, "mlp_dim": 32, "num_heads": 2},
}


class Other(NamedTuple):
    """What makes a network of so many outputs, and the shape of its samples."""

    make: Callable[[int], nn.Module]
    shape: tuple[int, ...]


class Through(nn.Module):
    """call(model, x), for a model that takes or gives something else than one tensor (N, ...)."""

    def __init__(self, model: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self.model, x)


def mlp(outputs: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, outputs))


def vision(name: str, options: dict[str, Any], outputs: int) -> nn.Module:
    """A vision transformer of vit-pytorch."""
    module, kind = name.split(".")
    return getattr(import_module(f"vit_pytorch.{module}"), kind)(num_classes=outputs, **options)


def decoder(options: dict[str, Any], outputs: int) -> nn.Module:
    """A decoder of x-transformers."""
    library = import_module("x_transformers")
    layers = library.Decoder(dim=32, depth=2, heads=2, **options)
    model = library.TransformerWrapper(num_tokens=VOCABULARY, max_seq_len=16, attn_layers=layers)
    return Tokens(model, outputs, lambda model, ids: model(ids))


def adapter(kind: str, options: dict[str, Any], outputs: int) -> nn.Module:
    """An MLP with an adapter of peft in both layers; nothing else of it is trained."""
    peft = import_module("peft")
    config = getattr(peft, f"{kind}Config")(target_modules=["0", "2"], **options)
    return peft.get_peft_model(mlp(outputs), config)


def flow(kind: str, options: dict[str, Any], outputs: int) -> nn.Module:
    """The log densities of x[:, :3] by a flow of zuko, given `outputs` multiples of x[:, 3]."""
    model = getattr(import_module("zuko.flows"), kind)(3, 1, **options)

    def log_densities(model: nn.Module, x: Tensor) -> Tensor:
        return torch.stack([model((i + 1) * x[:, 3:]).log_prob(x[:, :3] / 2) for i in range(outputs)], 1)

    return Through(model, log_densities)


def graph(kind: str, options: dict[str, Any], outputs: int) -> nn.Module:
    """A graph convolution of torch-geometric on the batch's graphs as one, and the mean over each one's nodes."""
    convolution = getattr(import_module("torch_geometric.nn"), kind)(FEATURES, 8, **options)
    model = nn.ModuleList([convolution, nn.Linear(8 * options.get("heads", 1), outputs)])

    def call(model: nn.Module, x: Tensor) -> Tensor:
        convolution, head = model.children()
        edges = torch.cat([torch.tensor(EDGES) + NODES * i for i in range(len(x))], 1)
        return head(torch.tanh(convolution(x.flatten(0, 1), edges))).unflatten(0, (len(x), NODES)).mean(1)

    return Through(model, call)


def equation(adjoint: bool, outputs: int) -> nn.Module:
    """The state at time 1 of an equation of torchdiffeq, whose gradient is that of its steps or of the adjoint's."""

    def call(model: nn.Module, x: Tensor) -> Tensor:
        field, head = model.children()
        library, times = import_module("torchdiffeq"), torch.tensor([0.0, 1.0], dtype=x.dtype)
        solve = library.odeint
        if adjoint:
            solve = partial(library.odeint_adjoint, adjoint_params=tuple(field.parameters()))
        steps = {"method": "rk4", "options": {"step_size": 0.5}}
        return head(solve(lambda t, state: field(state), x, times, **steps)[-1])

    return Through(nn.ModuleList([mlp(FEATURES), nn.Linear(FEATURES, outputs)]), call)


def manifold(kind: str, options: tuple[int, ...], outputs: int) -> nn.Module:
    """A network whose first weight geotorch keeps on a manifold."""
    net = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.Tanh(), nn.Linear(FEATURES, outputs))
    getattr(import_module("geotorch"), kind)(net[0], "weight", *options)
    return net


def equivariant(outputs: int) -> nn.Module:
    """A tensor product of e3nn."""
    o3 = import_module("e3nn.o3")
    product = o3.FullyConnectedTensorProduct("2x0e+2x1o", "2x0e+2x1o", "6x0e")

    def call(model: nn.Module, x: Tensor) -> Tensor:
        product, head = model.children()
        return head(torch.tanh(product(x, x)))

    return Through(nn.ModuleList([product, nn.Linear(6, outputs)]), call)


def scan(kind: str, options: dict[str, Any], outputs: int) -> nn.Module:
    """A network of monai, averaged over positions."""
    sizes = {"spatial_dims": 2, "in_channels": 1, "out_channels": outputs}
    model = getattr(import_module("monai.networks.nets"), kind)(**sizes, **options)
    return Through(model, lambda model, x: model(x).reshape(len(x), outputs, -1).mean(2))


def denoiser(outputs: int) -> nn.Module:
    """A U-Net of diffusers, averaged over positions."""
    model = import_module("diffusers").UNet2DModel(
        in_channels=3,
        out_channels=outputs,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
    )
    return Through(model, lambda model, x: model(x, torch.full((len(x),), 3.0, dtype=x.dtype)).sample.mean((2, 3)))


LIBRARIES: dict[str, Other] = {
    **{f"vit-pytorch/{name}": Other(partial(vision, name, o), IMAGE) for name, o in VISION.items()},
    **{f"x-transformers/{name}": Other(partial(decoder, o), (LENGTH,)) for name, o in DECODER.items()},
    **{f"peft/{name}": Other(partial(adapter, name, o), (FEATURES,)) for name, o in ADAPTERS.items()},
    **{f"zuko/{name}": Other(partial(flow, name, o), (FEATURES,)) for name, o in FLOWS.items()},
    **{f"torch-geometric/{name}": Other(partial(graph, name, o), (NODES, FEATURES)) for name, o in GRAPHS.items()},
    **{f"geotorch/{name}": Other(partial(manifold, name, o), (FEATURES,)) for name, o in MANIFOLDS.items()},
    **{f"monai/{name}": Other(partial(scan, name, o), SCAN) for name, o in SCANS.items()},
    "torchdiffeq/odeint": Other(partial(equation, False), (FEATURES,)),
    "torchdiffeq/odeint_adjoint": Other(partial(equation, True), (FEATURES,)),
    "e3nn/FullyConnectedTensorProduct": Other(equivariant, (8,)),
    "diffusers/UNet2DModel": Other(denoiser, (3, 16, 16)),
}

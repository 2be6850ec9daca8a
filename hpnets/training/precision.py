"""Half precision, refused where a network's products leave its range."""

import copy

import torch
from torch import Tensor, nn

HEADROOM = 100.0


def check_half(net: nn.Module, x: Tensor, precision: str) -> None:
    """Raise ValueError if `precision` is "16-mixed" and features HEADROOM times as large as now overflow float16.

    The network, in train mode (on a copy), sees HEADROOM x under autocast. Where layers are linear between norms and
    bounded gates, values grow by that factor; a product of N features grows by its N-th power and leaves 65504,
    float16's largest number, some time in training, after which no loss scaling brings it back. bfloat16 reaches as far
    as float32. What bounds a product's factors passes: a norm before it, a sigmoid, a sine, StyleGAN2's demodulation.
    A network that divides its input by its size, as a generator does, names the module that takes it then in an
    attribute `takes_scale`, and it is that one's input which is HEADROOM times as large.
    """
    if precision != "16-mixed":
        return
    net = copy.deepcopy(net).train()
    net.get_submodule(getattr(net, "takes_scale", "")).register_forward_pre_hook(lambda _, args: HEADROOM * args[0])
    with torch.no_grad(), torch.random.fork_rng(devices=[]), torch.autocast(x.device.type, dtype=torch.float16):
        y = net(x)
    if not y.isfinite().all():
        raise ValueError(
            f"trainer.precision is '16-mixed'; allowed for this {type(net).__name__}: bf16-mixed, 32-true, 64-true; "
            f"its outputs overflow float16 for inputs {HEADROOM:g} times as large, as products of features do"
        )

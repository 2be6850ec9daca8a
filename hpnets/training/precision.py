"""Half precision is refused if a network's products leave its range."""

import copy

import torch
from torch import Tensor, nn

HEADROOM = 100.0


def check_half(net: nn.Module, x: Tensor, precision: str) -> None:
    """Raise ValueError if `precision` is "16-mixed" and features HEADROOM times as large as now overflow float16.

    A copy of the network, in train mode, gets HEADROOM x under autocast. Where layers are linear between norms and
    bounded gates, values grow by that factor. A product of N features grows by its N-th power, and exceeds 65504,
    float16's largest number, at some time in training, after which no loss scaling helps. bfloat16 reaches as far as
    float32. A network passes if something bounds its products' factors: a norm before them, a sigmoid, a sine,
    StyleGAN2's demodulation. A network that divides its input by its size, as a generator does, names in its attribute
    `takes_scale` the module after that division; then this module's input is made HEADROOM times as large.
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

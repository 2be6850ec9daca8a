"""Derivatives, checkpoints, foreign functions and scripts inside the network."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.odd_modules.base import NO_FORWARD_MODE, odd


class Energy(nn.Module):
    """A scalar energy of each sample, whose derivatives the outputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 1)

    def energy(self, x: Tensor) -> Tensor:
        """E (N,)."""
        return self.b(torch.tanh(self.a(x)))[:, 0]


@odd(may_refuse=NO_FORWARD_MODE)
class EnergyByFunc(Energy):
    """Forces by torch.func.grad of the summed energy."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.grad(lambda z: self.energy(z).sum())(x)[:, :3]


@odd(may_refuse=NO_FORWARD_MODE)
class EnergyByVmap(Energy):
    """Forces by vmap of torch.func.grad, one sample at a time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.vmap(torch.func.grad(lambda z: self.energy(z[None])[0]))(x)[:, :3]


@odd(may_refuse=NO_FORWARD_MODE)
class EnergyByAutograd(Energy):
    """Forces by torch.autograd.grad with create_graph."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)[0][:, :3]


@odd(may_refuse=NO_FORWARD_MODE)
class TangentInside(Energy):
    """The derivative of hidden units along the sample, by torch.func.jvp."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.jvp(lambda z: torch.tanh(self.a(z)), (x,), (x,))[1][:, :3] + self.b(self.a(x))


@odd(may_refuse=NO_FORWARD_MODE | {"params": "checkpoint"})
class Checkpointed(nn.Module):
    """A block that is computed anew in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.out = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 5)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(checkpoint(self.block, x, use_reentrant=False)))


@odd(refused="(?i)checkpoint|reentrant")
class CheckpointedReentrant(Checkpointed):
    """The older checkpoint, which torch.autograd.grad cannot pass."""

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(checkpoint(self.block, x.detach().requires_grad_(), use_reentrant=True)))


class Reversed(torch.autograd.Function):
    """The identity, with gradients of the other sign; it has neither a jvp nor a batching rule."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        return -g


@odd(may_refuse=NO_FORWARD_MODE)
class ForeignFunction(nn.Module):
    """A torch.autograd.Function with a gradient of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 5), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(Reversed.apply(self.a(x)) + self.b(x)))


class Recomputed(torch.autograd.Function):
    """tanh(x w^T), whose backward pass computes anew and is cut from the graph, as an adjoint method's is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.tanh(x @ w.T)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            x, w = (t.detach().requires_grad_() for t in ctx.saved_tensors)
            return torch.autograd.grad(torch.tanh(x @ w.T), (x, w), g)


@odd()
class AdjointFunction(nn.Module):
    """A Function whose backward pass has a derivative that is silently wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.w, self.out = nn.Linear(4, 5), nn.Parameter(torch.randn(5, 5)), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(Recomputed.apply(self.a(x), self.w))


@odd(may_refuse=NO_FORWARD_MODE | {"params": "(?i)script"})
def Scripted() -> nn.Module:
    """A net compiled by torch.jit.script."""
    return torch.jit.script(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)))


@odd(may_refuse=NO_FORWARD_MODE | {"params": "(?i)script"})
def ScriptedInside() -> nn.Module:
    """A scripted block between layers that are not."""
    return nn.Sequential(nn.Linear(4, 5), torch.jit.script(nn.Sequential(nn.Tanh(), nn.Linear(5, 5))), nn.Linear(5, 3))


@odd(may_refuse=NO_FORWARD_MODE | {"params": "(?i)script"})
def Traced() -> nn.Module:
    """A net compiled by torch.jit.trace."""
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    return torch.jit.trace(net, torch.zeros(2, 4), check_trace=False)


@odd(may_refuse=NO_FORWARD_MODE)
class SparseMixing(nn.Module):
    """A sparse constant matrix between layers."""

    mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(4, 5), nn.Linear(5, 3)
        self.register_buffer("mix", torch.tensor([[0, 1, 0, 0, 2.0], *[[0.0, 0, 1, 0, 0]] * 4]))

    def forward(self, x: Tensor) -> Tensor:
        mix = self.mix.to_sparse()
        return self.out(torch.tanh(torch.sparse.mm(mix, self.a(x).T).T))


@odd()
class MatrixOfDerivatives(Energy):
    """vmap over tokens inside, by torch.func."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.vmap(lambda z: torch.tanh(self.a(z)))(x)[:, :3] * self.energy(x)[:, None]


@odd((2, 4))
class TwinTowers(nn.Module):
    """One tower on both halves of a sample, compared by their distance."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.out = nn.Sequential(nn.Linear(4, 5), nn.Tanh()), nn.Linear(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.tower(x[:, 0]), self.tower(x[:, 1])
        return self.out((left - right).norm(dim=1, keepdim=True))

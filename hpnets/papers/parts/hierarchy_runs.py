"""What the hierarchy says of a kernel's change in training, beside the change of networks that were trained."""

import copy

import torch
from torch import Tensor, nn

from hpnets.kernels import nth_kernel
from hpnets.ntk import ntk
from hpnets.papers.parts.image_pairs import Part

# Descent stops when the loss is this share of its start, or after so many steps.
LOSS, STEPS = 1e-5, 20_000


def flow(net: nn.Module, x: Tensor, y: Tensor, rate: float) -> tuple[nn.Module, int]:
    """A copy after descent on |f - f_0 - y|^2 / 2, and the number of steps."""
    moved = copy.deepcopy(net)
    with torch.no_grad():
        target = net(x) + y
    optimizer = torch.optim.SGD(moved.parameters(), rate)
    for step in range(STEPS):
        loss = (moved(x) - target).square().sum() / 2
        if float(loss.detach()) < LOSS * float(y.square().sum()) / 2:
            return moved, step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return moved, STEPS


def compare(nets: list[nn.Module], train: Part, other: Part) -> dict[str, float]:
    """The mean change of the kernel of both parts' points, as predicted and as trained; the prediction of f at `other`.

    Each network is trained on y and on -y, which is the network with the signs of its read-out reversed: so the
    third-order kernel, of mean 0 over initialisations, leaves the mean exactly. cosine, error |dK - dK'| / |dK|;
    linearised and hierarchy: |f - f'| / |f| at the other points, by a fixed kernel and by the hierarchy's.
    """
    n, points = len(train.x), torch.cat([train.x, other.x])
    predicted = nth_kernel(nets, train.x, train.labels, other.x)
    K, y = predicted.start, train.y.to(points)
    rate = 0.5 / float(torch.linalg.eigvalsh(K[:n, :n])[-1])
    changes, outputs, steps = [], [], []
    for net in nets:
        start = ntk(net, points, outputs=0)
        for sign in (1, -1):
            moved, taken = flow(net, train.x, sign * y, rate)
            changes.append(ntk(moved, points, outputs=0) - start)
            with torch.no_grad():
                outputs.append(sign * (moved(other.x) - net(other.x)))
            steps.append(taken)
    moved_K, f = torch.stack(changes).mean(0), torch.stack(outputs).mean(0)
    by = {
        name: k[n:, :n] @ torch.linalg.solve(k[:n, :n], y)
        for name, k in (("linearised", K), ("hierarchy", predicted.kernel))
    }
    return {
        "cosine": float((predicted.fourth * moved_K).sum() / predicted.fourth.norm() / moved_K.norm()),
        "error": float((predicted.fourth - moved_K).norm() / moved_K.norm()),
        "moved": float(moved_K.norm() / K.norm()),
        "disagreement": predicted.disagreement,
        **{name: float((g - f).norm() / f.norm()) for name, g in by.items()},
        "steps": max(steps),
    }

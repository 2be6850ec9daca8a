"""Convolutions of every making, and what else is done to images."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.random_networks.step import IMAGE, Choose, Shape, Step, Ways, one_of, step


@step(IMAGE)
def convolution(choose: Choose, shape: Shape) -> Step:
    """nn.Conv2d with any options, or nn.ConvTranspose2d."""
    _, C, H, W = shape
    outputs, groups = choose([2, 4]), choose([1, 2]) if C % 2 == 0 else 1
    bias = choose([True, False])
    if choose([False, True]):
        layer: nn.Module = nn.ConvTranspose2d(C, outputs, 2, stride=choose([1, 2]), groups=groups, bias=bias)
        return Step("ConvTranspose2d", lambda h, layer: layer(h), modules=[layer])
    kernel = choose([k for k in (1, 2, 3) if k <= min(H, W)])
    mode = choose(["zeros", "reflect", "circular"]) if kernel == 3 else "zeros"
    options = {"stride": choose([1, 2]), "padding": kernel // 2, "groups": groups, "bias": bias, "padding_mode": mode}
    layer = nn.Conv2d(C, C if groups == C else outputs, kernel, **options)
    return Step(f"Conv2d {kernel} x {kernel}", lambda h, layer: layer(h), modules=[layer])


@step(IMAGE)
def functional_convolution(choose: Choose, shape: Shape) -> Step:
    """A convolution whose weight is computed, or that another function makes."""
    _, C, H, W = shape
    k = choose([k for k in (1, 3) if k <= min(H, W)])
    o, pad = choose([2, 4]), k // 2

    def standardised(h: Tensor, w: Tensor, gain: Tensor) -> Tensor:
        variance, mean = torch.var_mean(w, (1, 2, 3), keepdim=True, correction=0)
        return F.conv2d(h, gain * (w - mean) * (variance + 0.1).rsqrt(), padding=pad)

    def modulated(h: Tensor, A: Tensor, w: Tensor) -> Tensor:
        styled = w * (1 + h.mean((2, 3)) @ A)[:, None, :, None, None]
        styled = styled * (styled.square().sum((2, 3, 4), keepdim=True) + 0.1).rsqrt()
        y = F.conv2d(h.reshape(1, -1, H, W), styled.flatten(0, 1), padding=pad, groups=len(h))
        return y.view(len(h), o, H, W)

    def mixed(h: Tensor, A: Tensor, w: Tensor) -> Tensor:
        shares = (h.mean((2, 3)) @ A).softmax(1)
        first, second = (shares[:, j, None, None, None] * F.conv2d(h, w[j], padding=pad) for j in range(2))
        return first + second

    def separable(h: Tensor, u: Tensor, v: Tensor) -> Tensor:
        h = F.conv2d(h, u[:, None, :, None], padding=(1, 0), groups=C)
        return F.conv2d(h, v.expand(C, 1, 1, 3), padding=(0, 1), groups=C)

    w = (o, C, k, k)
    ways: Ways = {
        "flipped": ([w, (o,)], lambda h, w, b: F.conv2d(h, w.flip(2), b, padding="same")),
        "standardised": ([w, (o, 1, 1, 1)], standardised),
        "modulated": ([(C, C), w], modulated),
        "mixed": ([(C, 2), (2, *w)], mixed),
        "separable": ([(C, 3), (3,)], separable),
        "unfolded": ([w], lambda h, w: (w.flatten(1) @ F.unfold(h, k, padding=pad)).view(len(h), o, H, W)),
        "of low rank": ([(o, 2), (2, C * k * k)], lambda h, A, B: F.conv2d(h, (A @ B).view(w), padding=pad)),
        "over depth": ([(1, 1, 3, 3, 3)], lambda h, w: F.conv3d(h[:, None], w, padding=1)[:, 0]),
    }
    return one_of(choose, "convolution", ways)


@step(IMAGE)
def called_again(choose: Choose, shape: Shape) -> Step:
    """One convolution, called at two resolutions."""
    C = shape[1]
    layer = nn.Conv2d(C, C, 3, padding=1)

    def f(h: Tensor, layer: nn.Module) -> Tensor:
        return layer(torch.tanh(layer(h))) + layer(F.adaptive_avg_pool2d(h, 2)).mean((2, 3), keepdim=True)

    return Step("Conv2d twice", f, modules=[layer])


@step(IMAGE)
def layer_on_images(choose: Choose, shape: Shape) -> Step:
    """Layers on patches, on channels, and between positions."""
    _, C, H, W = shape

    def patches(h: Tensor, linear: nn.Module) -> Tensor:
        if H % 2 or W % 2:
            return h
        return linear(h.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 1, 4, 5).flatten(3)).permute(0, 3, 1, 2)

    def attended(h: Tensor, layer: nn.Module) -> Tensor:
        q = layer(h).flatten(2)
        return (h.flatten(2) @ (q.mT @ q).softmax(-1)).view(h.shape)

    def normalised(h: Tensor, norm: nn.Module) -> Tensor:
        return norm(h.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    name = choose(["patches", "attention", "LayerNorm of channels"])
    if name == "patches":
        return Step(f"image {name}", patches, modules=[nn.Linear(4 * C, 3)])
    if name == "attention":
        return Step(f"image {name}", attended, modules=[nn.Conv2d(C, 2, 1)])
    return Step(f"image {name}", normalised, modules=[nn.LayerNorm(C)])


@step(IMAGE)
def on_images(choose: Choose, shape: Shape) -> Step:
    """Gates, pools and transforms."""
    _, C, H, W = shape

    def warped(h: Tensor, theta: Tensor) -> Tensor:
        at = torch.eye(2, 3, dtype=h.dtype, device=h.device) + theta / 5
        grid = F.affine_grid(at.expand(len(h), 2, 3), list(h.shape), align_corners=False)
        return F.grid_sample(h, grid, align_corners=False)

    def filtered(h: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(h) * torch.complex(a, b)).real

    ways: Ways = {
        "gate": ([(C, 2), (2, C)], lambda h, A, B: h * (F.relu(h.mean((2, 3)) @ A) @ B).sigmoid()[..., None, None]),
        "scale and shift": (
            [(C,), (C, C)],
            lambda h, g, A: h * (1 + g[:, None, None]) + (h.amax((2, 3)) @ A)[..., None, None],
        ),
        "coordinates": ([(1, H, W)], lambda h, e: torch.cat([h, e.expand(len(h), -1, -1, -1)], 1) if C < 5 else h * e),
        "warped": ([(2, 3)], warped),
        "filtered": ([(C, H, W), (C, H, W)], filtered),
        "mean pool": ([], lambda h: F.avg_pool2d(h, 2, stride=1) if min(H, W) > 1 else h),
        "max pool": ([], lambda h: F.max_pool2d(h, 2) if min(H, W) > 1 else h),
        "shuffled": ([], lambda h: F.pixel_shuffle(h, 2) if C % 4 == 0 and H < 4 else h),
    }
    return one_of(choose, "image", ways)

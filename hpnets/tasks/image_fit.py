"""Regression of a picture from its pixels' coordinates: how well does a network fill in the pixels it has not seen?"""

from typing import Annotated

import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_image
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.image import PeakSignalNoiseRatio

from hpnets.option_sets import Option
from hpnets.tasks.base import Predict, register_task
from hpnets.tasks.kinds import RegressionTask
from hpnets.tasks.options import BatchSize, NumWorkers, Seed
from hpnets.tasks.samples import Samples, Splits
from hpnets.validate import at_least, one_of, require

IMAGES = ("china", "flower")
SMALLEST, LARGEST = 8, 427  # the pictures are 427 pixels high
STRIDE = 2


def load_picture(image: str, size: int) -> Tensor:
    """The middle square of a scikit-learn sample image, averaged down to (3, size, size), float32 in [-1, 1]."""
    raw = torch.tensor(load_sample_image(f"{image}.jpg")).permute(2, 0, 1)
    left = (raw.shape[2] - raw.shape[1]) // 2
    square = raw[:, :, left : left + raw.shape[1]].double()
    return (F.adaptive_avg_pool2d(square, size) / 127.5 - 1).float()


def band_errors(fit: Tensor, target: Tensor) -> dict[str, float]:
    r"""Relative error of two pictures (C, S, S) below and above the Nyquist frequency of every second pixel.

        error(B) = (sum_{c, k in B} |F fit - F target|^2 / sum_{c, k in B} |F target|^2)^(1/2)

    F is the discrete Fourier transform; the low band has max(|k_x|, |k_y|) < 1/4 cycle a pixel, the high band the rest,
    which samples at every second pixel do not determine. 0 is a perfect fit, 1 as good as nothing in that band.
    """
    k = torch.fft.fftfreq(target.shape[-1]).abs().to(target.device)
    high = torch.maximum(k[:, None], k[None, :]) >= 1 / (2 * STRIDE)
    power = torch.fft.fft2(target.double()).abs().square()
    error = torch.fft.fft2(fit.double() - target.double()).abs().square()
    bands = {"low_band_error": ~high, "high_band_error": high}
    return {name: float((error[:, band].sum() / power[:, band].sum()).sqrt()) for name, band in bands.items()}


@register_task("image_fit")
class ImageFitTask(RegressionTask):
    """y(x) is the colour, (3,) in [-1, 1], of the pixel with its centre at x = (right, down) in [-1, 1]^2.

    train: every second pixel of every second row; val: a seeded quarter of the other pixels; test: the rest of them.
    image: china or flower, scikit-learn's sample images, the middle square of size x size averaged pixels.
    Metrics: psnr = 10 log10(2^2 / MSE) in dB, and over the whole picture those of `band_errors`.
    """

    input_shape, output_dim = (2,), 3
    monitor, monitor_mode = "val/psnr", "max"
    target: Tensor  # (3, size, size)

    def __init__(
        self,
        image: Annotated[str, Option("the picture: china or flower")] = "china",
        size: Annotated[int, Option("height and width of the picture, in averaged pixels")] = 64,
        batch_size: BatchSize = 64,
        seed: Seed = 0,
        num_workers: NumWorkers = 0,
    ) -> None:
        super().__init__(batch_size, seed, num_workers)
        self.image, self.size = one_of("image", image, IMAGES), at_least("size", size, SMALLEST)
        require(size <= LARGEST, "size", size, f"an integer from {SMALLEST} to {LARGEST}")

    @property
    def coordinates(self) -> Tensor:
        """The centres of all pixels, row after row, (size^2, 2)."""
        centre = (2 * torch.arange(self.size, dtype=torch.float64) + 1) / self.size - 1
        return torch.cartesian_prod(centre, centre).flip(1).float()

    def splits(self) -> Splits:
        """The pixels of the sub-grid, and the others shared out by the seed."""
        self.target = load_picture(self.image, self.size)
        x, y = self.coordinates, self.target.flatten(1).T.contiguous()
        seen = torch.zeros(self.size, self.size, dtype=torch.bool)
        seen[::STRIDE, ::STRIDE] = True
        train, others = seen.flatten().nonzero().flatten(), (~seen).flatten().nonzero().flatten()
        shuffled = others[torch.randperm(len(others), generator=torch.Generator().manual_seed(self.seed))]
        val, test = (part.sort().values for part in shuffled.split([len(others) // 4, len(others) - len(others) // 4]))
        return Splits(*(Samples(x, y, rows, {}) for rows in (train, val, test)))

    def metrics(self) -> MetricCollection:
        """The peak signal-to-noise ratio in dB, as "psnr"."""
        return MetricCollection({"psnr": PeakSignalNoiseRatio(data_range=2.0)})

    def measures(self, predict: Predict) -> dict[str, float]:
        """`band_errors` of the whole picture."""
        return band_errors(self._fit(predict), self.target)

    def picture(self, predict: Predict) -> Tensor:
        """The target beside the fit, (3, size, 2 size) in [0, 1]."""
        return (torch.cat([self.target, self._fit(predict)], dim=2) / 2 + 0.5).clamp(0, 1)

    def _fit(self, predict: Predict) -> Tensor:
        return predict(self.coordinates).float().cpu().T.reshape(3, self.size, self.size)

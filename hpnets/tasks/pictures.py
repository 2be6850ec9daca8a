"""Pictures in files as an array that is decoded when it is read, so that memory does not grow with their number."""

import os
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2.functional import pil_to_tensor

MODES = {1: "L", 3: "RGB"}
# Others, such as 16 bits a pixel, PIL converts by cutting values off, without a word.
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
CHUNK = 256


class Pictures:
    """N pictures as an array (N, channels, size, size) uint8: x[rows] decodes the files of `rows` (n,).

    The middle square of a picture is resized (bilinear). With 3 channels a grey picture has three equal ones, with 1 a
    coloured one its luminance; transparency is dropped. x[rows] raises ValueError, with the path, for a file that
    cannot be decoded or does not have 8 bits a channel.

    root: the folder that `names` are relative to.
    """

    dtype = torch.uint8

    def __init__(self, root: Path, names: Sequence[str], size: int, channels: int) -> None:
        self.root, self.size, self.channels = root, size, channels
        # One array, not a list of str: a forked worker would copy each page whose reference counts it touches.
        self.names = np.array([os.fsencode(name) for name in names], dtype=np.bytes_)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self), self.channels, self.size, self.size

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        return torch.stack([self.decode(row) for row in rows.tolist()])

    def of(self, keep: Tensor) -> "Pictures":
        """Those that the mask (N,) keeps."""
        kept = copy(self)
        kept.names = self.names[keep.numpy()]
        return kept

    def path(self, row: int) -> Path:
        """The file of a row."""
        return self.root / os.fsdecode(self.names[row])

    def decode(self, row: int) -> Tensor:
        """One picture, (channels, size, size) uint8; raises ValueError for a file that is not one."""
        try:
            with Image.open(self.path(row)) as image:
                if image.mode not in EIGHT_BITS:
                    raise ValueError(f"its mode is {image.mode}; allowed: {', '.join(EIGHT_BITS)}")
                # A large JPEG is decoded at 1/2, 1/4 or 1/8, at least twice as large as needed: five times as fast.
                image.draft(None, (2 * self.size, 2 * self.size))
                whole = image.convert(MODES[self.channels])
            return pil_to_tensor(ImageOps.fit(whole, (self.size, self.size), Image.Resampling.BILINEAR))
        except Exception as error:  # a damaged file can raise nearly anything
            reason = " ".join(str(error).split())
            raise UnreadableError(f"{self.path(row)} cannot be read as a picture: {reason}") from None

    def unreadable(self, num_workers: int) -> dict[int, str]:
        """Why they cannot be read, by row, of all that cannot; decodes each file once, in so many processes."""
        loader = DataLoader(_Reasons(self), CHUNK, num_workers=num_workers, collate_fn=list)
        reasons = [reason for chunk in loader for reason in chunk]
        return {row: reason for row, reason in enumerate(reasons) if reason}


class UnreadableError(ValueError):
    """A file that is no picture; the message stays one line on its way out of a worker, which adds its traceback."""

    def __str__(self) -> str:
        return super().__str__().strip().splitlines()[-1].removeprefix(f"{__name__}.{type(self).__name__}: ")


class _Reasons(Dataset[str]):
    """For each row "", or why it cannot be read."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> str:
        try:
            self.pictures.decode(row)
        except UnreadableError as error:
            return str(error)
        return ""

"""load_pretrained gives a published network and the preprocessing that its inputs need."""

from pathlib import Path

from torch import Tensor, nn

from hpnets.atomic_files import read_tensors
from hpnets.models import create_model
from hpnets.zoo.index import checkpoints_folder, pretrained_entry


def pretrained_weights(name: str, folder: Path | None = None) -> tuple[dict[str, Tensor], str]:
    """The tensors of the checkpoint `name`, by name, and the hash of their file, which is checked."""
    entry = pretrained_entry(name, folder)
    return read_tensors((folder or checkpoints_folder()) / entry.file, entry.sha256), entry.sha256


def load_pretrained(name: str, folder: Path | None = None) -> tuple[nn.Module, nn.Module]:
    """(net, preprocess) of the checkpoint `name`: net is in eval mode, preprocess maps raw inputs to inputs of net.

    Raw inputs are float tensors (..., *input_shape) in the data set's own units (0..16 for digits, 0..255 for images).
    folder: the folder of another index; None means the shipped one.

    Raises ValueError for an unknown name, a missing or damaged file, a file whose sha256 differs from the index, or
    weights that do not fit the model.
    """
    from torchvision.transforms.v2 import Normalize  # late, since create_model is for everybody

    entry, (weights, _) = pretrained_entry(name, folder), pretrained_weights(name, folder)
    model = dict(entry.model)
    net = create_model(model.pop("name"), input_shape=entry.input_shape, output_dim=entry.output_dim, **model)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"checkpoint {name!r}: its weights do not fit its model {entry.model}: {error}") from None
    return net.eval(), Normalize(**entry.preprocessing) if entry.preprocessing else nn.Identity()

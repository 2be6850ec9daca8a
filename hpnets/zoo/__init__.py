"""Pretrained weights: the index, the files and their hashes."""

from hpnets.zoo.create import create_model
from hpnets.zoo.features import features_for
from hpnets.zoo.index import Entry, entries, list_pretrained, pretrained_entry
from hpnets.zoo.pretrained import load_pretrained, pretrained_weights

__all__ = [
    "Entry",
    "create_model",
    "entries",
    "features_for",
    "list_pretrained",
    "load_pretrained",
    "pretrained_entry",
    "pretrained_weights",
]

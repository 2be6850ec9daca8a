"""Pretrained weights: the index, the files and their hashes."""

from hpnets.zoo.features import features_for
from hpnets.zoo.index import Entry, entries, list_pretrained, pretrained_entry
from hpnets.zoo.pretrained import load_pretrained

__all__ = ["Entry", "entries", "features_for", "list_pretrained", "load_pretrained", "pretrained_entry"]

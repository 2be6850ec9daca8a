"""Networks drawn at random from the operations that people build networks of, for kernels to be compared on."""

from tests.random_networks import elementwise, images, linear, shapes, tokens
from tests.random_networks.network import RandomNetwork, networks

__all__ = ["RandomNetwork", "elementwise", "images", "linear", "networks", "shapes", "tokens"]

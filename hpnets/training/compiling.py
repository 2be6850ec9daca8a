"""torch.compile for training steps alone."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def compiled(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """`net` as a function that torch.compile makes; the module itself stays eager, and its weights keep their names.

    Raises ValueError if torch.compile does not work here, as without a C++ compiler.
    """
    try:
        torch.compile(torch.sin)(torch.ones(2))
    except Exception as error:  # backends raise errors of many kinds
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"trainer.compile is True; allowed here: False, since torch.compile fails: {reason}") from None
    return torch.compile(lambda x: net(x))  # a function, since a module would be registered, with its weights

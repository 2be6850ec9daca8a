"""The keyword that leaves out the kernel's run-time proof, if this version of hpnets has one."""

import inspect
from typing import Any

from hpnets.ntk import ntk

OFF = "off"


def verification(how: str) -> dict[str, Any]:
    """The keyword {"verify": how}; {} for "", which is a user's call, and if `ntk` has no such keyword."""
    return {"verify": how} if how and has_proof() else {}


def has_proof() -> bool:
    """Whether `ntk` has a run-time proof that can be turned off."""
    return "verify" in inspect.signature(ntk).parameters

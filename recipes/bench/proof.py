"""The keyword that leaves out the kernel's run-time proof, where this version of hpnets has one."""

import inspect
from typing import Any

from hpnets.ntk import ntk

OFF = "off"


def verification(how: str) -> dict[str, Any]:
    """{"verify": how}; {} for "" (as a user calls it), and where `ntk` has no such keyword."""
    return {"verify": how} if how and has_proof() else {}


def has_proof() -> bool:
    """Whether `ntk` proves what it computes unless told not to."""
    return "verify" in inspect.signature(ntk).parameters

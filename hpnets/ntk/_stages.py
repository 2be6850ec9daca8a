"""The time of a kernel by stage of the structured algorithm."""

import time

from torch import Tensor, nn

from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._planning import parameters_of, plan
from hpnets.ntk._state import undisturbed
from hpnets.ntk._structured import TermWork
from hpnets.ntk._wrappers import eager


def stage_seconds(net: nn.Module, x: Tensor, *, outputs: Outputs, memory: str | float = "1GiB") -> dict[str, float]:
    """The seconds of "plan", "factors" (passes) and "contraction" of `ntk(net, x, outputs=outputs, memory=memory)`.

    The proof is left out. Raises ValueError as `ntk` does, and if the kernel takes more than one tile.
    """
    net = eager(net)
    start = time.perf_counter()
    made = plan(net, x, outputs=outputs, memory=memory, algorithm="structured")
    if made.tile < len(x):
        raise ValueError(f"memory is {memory!r}, which makes several tiles; allowed: enough for one")
    planned = time.perf_counter()
    with undisturbed(net, x.device):
        selection, C = made.problem.selection, made.problem.C
        work = TermWork(net, parameters_of(net, None), selection, made.terms, made.schedule)
        factors = work.factors(x, None, True, ())
        passed = time.perf_counter()
        k = x.new_empty(len(x), len(x)) if selection.flat else x.new_empty(C, len(x), C, len(x))
        work.contract(k, factors, factors, True)
    return {"plan": planned - start, "factors": passed - planned, "contraction": time.perf_counter() - passed}

"""Where the time of a kernel goes, by stage of the structured algorithm."""

import time

from torch import Tensor, nn

from hpnets.ntk._functional import eager, undisturbed
from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._planning import parameters_of, plan
from hpnets.ntk._structured import contract, factors


def stage_seconds(net: nn.Module, x: Tensor, *, outputs: Outputs, memory: str | float = "1GiB") -> dict[str, float]:
    """Seconds of "plan", "factors" (passes) and "contraction" of `ntk(net, x, outputs=outputs, memory=memory)`.

    Raises ValueError as `ntk` does, and where a parameter has no rule or the kernel takes more than one tile.
    """
    net = eager(net)
    start = time.perf_counter()
    made = plan(net, x, outputs=outputs, memory=memory, algorithm="structured")
    if made.rest or made.tile < len(x):
        raise ValueError("stages are those of layers with rules and of one tile; raise memory, or ask of another net")
    planned = time.perf_counter()
    with undisturbed(net, x.device):
        found = factors(net, parameters_of(net, None), x, made.selection, made.terms, made.schedule)
        passed = time.perf_counter()
        C = made.selection.columns
        k = x.new_empty(len(x), len(x)) if made.selection.flat else x.new_empty(C, len(x), C, len(x))
        contract(k, made.terms, found, found, True)
    return {"plan": planned - start, "factors": passed - planned, "contraction": time.perf_counter() - passed}

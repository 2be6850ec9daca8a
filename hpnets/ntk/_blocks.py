"""The kernel's shares, one for each block of parameters such as a layer; they add up to the whole kernel."""

from collections import defaultdict
from collections.abc import Iterable

from torch import Tensor, nn

from hpnets.ntk._checks import check_inputs, check_types
from hpnets.ntk._copies import copied
from hpnets.ntk._functional import Params
from hpnets.ntk._kernel import ntk
from hpnets.ntk._output_selection import Outputs
from hpnets.ntk._plan import StalePlanError
from hpnets.ntk._planning import parameters_of, plan
from hpnets.ntk._split import split_kernel
from hpnets.ntk._wrappers import eager


def ntk_blocks(
    net: nn.Module,
    x1: Tensor,
    x2: Tensor | None = None,
    *,
    outputs: Outputs,
    blocks: Iterable[str] | None = None,
    params: dict[str, Tensor] | None = None,
    memory: str | float = "1GiB",
) -> dict[str, Tensor]:
    r"""The kernel K_b of each block b of parameters; K = sum_b K_b if the blocks hold every parameter.

    blocks: names of parameters, or of modules, which stand for all parameters inside; None means one block for each
    module that holds parameters itself, of these alone, and one for each parameter that the net itself holds. A tied
    weight counts under its first name. The other arguments are those of `ntk`.

    Raises ValueError as `ntk` does, and for a block without parameters or one inside another.
    """
    check_types(params, x1, x2)
    net = eager(net)
    theta = parameters_of(net, params)
    if params is not None:
        check_inputs(net, theta, x1, x2)
        net = copied(net).to(x1.dtype)
        net.load_state_dict(theta, strict=False)
    parts = parts_of(theta, blocks)
    if x2 is None and (made := _in_one_pass(net, x1, parts, theta, outputs, memory)) is not None:
        return made
    return {block: ntk(net, x1, x2, outputs=outputs, params=part, memory=memory) for block, part in parts.items()}


def parts_of(theta: Params, blocks: Iterable[str] | None) -> dict[str, Params]:
    """The parameters of each block, as `ntk_blocks` takes them; raises ValueError as it does for wrong blocks."""
    if blocks is None:
        own = defaultdict[str, Params](dict)
        for name, p in theta.items():
            own[_owner(name)][name] = p
        return dict(own)
    names = list(blocks)
    members = {block: _members(block, theta) for block in names}
    taken = [name for block in members.values() for name in block]
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"parameter {twice!r} is in two of the blocks {names}; allowed: blocks apart from one another")
    return members


def _in_one_pass(
    net: nn.Module, x: Tensor, members: dict[str, Params], theta: Params, outputs: Outputs, memory: str | float
) -> dict[str, Tensor] | None:
    """The kernels of all blocks by one plan; None if it cannot be split, or does not hold."""
    made = plan(net, x, outputs=outputs, params=theta, memory=memory, blocks=members)
    try:
        split = split_kernel(net, x, made, members, params=theta)
    except StalePlanError:
        return None
    return None if split is None else split[1]


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


def _members(block: str, theta: Params) -> Params:
    members = {name: p for name, p in theta.items() if name == block or name.startswith(f"{block}.")}
    if not members:
        known = ", ".join(dict.fromkeys(map(_owner, theta)))
        raise ValueError(f"block {block!r} holds no parameter asked for; allowed: {known}, or what holds these")
    return members

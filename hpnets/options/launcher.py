"""How many processes a launcher such as torchrun has started, and what that makes of the options of the Trainer."""

import os
from dataclasses import replace

from hpnets.options.trainer import TrainerOptions
from hpnets.validate import at_least, read, require


def launched(trainer: TrainerOptions) -> TrainerOptions:
    """The same options with numbers for "auto": the nodes, and the devices of each, that a launcher has started.

        devices = WORLD_SIZE / num_nodes,  num_nodes = WORLD_SIZE / LOCAL_WORLD_SIZE

    Without a launcher both are 1. Raises ValueError unless devices x num_nodes is the number of processes started.
    """
    world = count("WORLD_SIZE")
    if world is None:
        return _alone(trainer)
    local = count("LOCAL_WORLD_SIZE") or world
    nodes = max(1, world // local) if trainer.num_nodes == "auto" else trainer.num_nodes
    devices = max(1, world // nodes) if trainer.devices == "auto" else trainer.devices
    if devices * nodes != world:
        raise ValueError(
            f"trainer.devices is {devices} and trainer.num_nodes is {nodes}; allowed: a product of {world}, the "
            "processes that the launcher has started (WORLD_SIZE)"
        )
    return replace(trainer, devices=devices, num_nodes=nodes)


def is_shared() -> bool:
    """Whether this process is one of several that were started together."""
    return (count("WORLD_SIZE") or 1) > 1


def count(variable: str) -> int | None:
    """The number >= 1 in an environment variable of a launcher, None without one; ValueError for anything else."""
    text = os.environ.get(variable)
    return None if text is None else at_least(variable, read(variable, text, int), 1)


def _alone(trainer: TrainerOptions) -> TrainerOptions:
    """The options of a process without WORLD_SIZE; Lightning itself counts the processes that SLURM has started."""
    devices, nodes = (1 if n == "auto" else n for n in (trainer.devices, trainer.num_nodes))
    waits = nodes > 1 and "SLURM_NTASKS" not in os.environ
    allowed = "1 without a launcher; torchrun starts the processes of several nodes (docs/howto/several-gpus.md)"
    require(not waits, "trainer.num_nodes", nodes, allowed)
    return replace(trainer, devices=devices, num_nodes=nodes)

"""The schedules of learning rates by name, each a function of the step. Imports no torch: options are checked here."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hpnets.registry import Registry
from hpnets.validate import require


class Settings(Protocol):
    """The numbers that a schedule may take, those of hpnets.options.OptimOptions."""

    schedule: str
    warmup: float
    final: float
    milestones: list[float]
    gamma: float
    cooldown: float


Factor = Callable[[float, float, Settings], float]


@dataclass(frozen=True)
class Schedule:
    """A function (step, total, settings) -> factor of every rate, and whether it is `endless`: does not look at total.

    step: the optimiser's steps after the warmup, from 0; total: how many there are in the whole run.
    """

    factor: Factor
    endless: bool = False


SCHEDULES: Registry[Schedule] = Registry("schedule")


def register_schedule(name: str, endless: bool = False) -> Callable[[Factor], Factor]:
    """Decorator of a function (step, total, settings) -> factor; raises ValueError for a taken name."""

    def enter(factor: Factor) -> Factor:
        SCHEDULES.register(name)(Schedule(factor, endless))
        return factor

    return enter


@register_schedule("constant", endless=True)
def constant(step: float, total: float, o: Settings) -> float:
    """1."""
    return 1.0


@register_schedule("cosine")
def cosine(step: float, total: float, o: Settings) -> float:
    """final + (1 - final) (1 + cos(pi step / total)) / 2; Loshchilov and Hutter 2017 (arXiv 1608.03983)."""
    return o.final + (1 - o.final) * (1 + math.cos(math.pi * step / total)) / 2


@register_schedule("linear")
def linear(step: float, total: float, o: Settings) -> float:
    """1 - (1 - final) step / total."""
    return 1 - (1 - o.final) * step / total


@register_schedule("step")
def steps(step: float, total: float, o: Settings) -> float:
    """gamma to the power of the milestones that are passed, each a fraction of total."""
    return o.gamma ** sum(step >= milestone * total for milestone in o.milestones)


@register_schedule("wsd")
def wsd(step: float, total: float, o: Settings) -> float:
    """Warmup, stable, decay: 1, and linearly to final in the last fraction `cooldown`; Hu et al. 2024, 2404.06395."""
    start = total * (1 - o.cooldown)
    return 1.0 if step <= start else 1 - (1 - o.final) * (step - start) / (total - start)


def warmup_steps(o: Settings, total: float) -> int:
    """The steps of the warmup: `warmup` itself if it is >= 1, below that this fraction of the run's `total` steps."""
    return int(o.warmup) if o.warmup >= 1 or math.isinf(total) else round(o.warmup * total)


def rate_factor(o: Settings, step: int, total: float) -> float:
    """The factor of the rates of the optimiser's step number `step`, from 0: (step + 1) / warmup, then the schedule."""
    warmup = warmup_steps(o, total)
    if step < warmup:
        return (step + 1) / warmup
    return SCHEDULES.get(o.schedule).factor(step - warmup, total - warmup, o)


def changes_rates(o: Settings) -> bool:
    """Whether the rates ever change."""
    return o.schedule != "constant" or o.warmup > 0


def needs_total(o: Settings) -> bool:
    """Whether the rates follow from the number of a run's steps, so that it must not change when a run goes on."""
    return not SCHEDULES.get(o.schedule).endless or 0 < o.warmup < 1


def check_total(o: Settings, total: float) -> None:
    """Raise ValueError if a run of `total` steps is too short for its warmup, or has no end, which a schedule needs."""
    if changes_rates(o):
        endless = math.isinf(total) and needs_total(o)
        require(not endless, "optim.schedule", o.schedule, "constant, with a warmup in steps, for a run without an end")
        short = warmup_steps(o, total) < total
        require(short, "optim.warmup", o.warmup, f"fewer steps than the {total} of the run, or a fraction < 1 of them")

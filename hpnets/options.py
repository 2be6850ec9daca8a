"""The options of a run, as plain dataclasses: what `recipes/train.py --help` lists. Imports no torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from hpnets.optimisers import OPTIMISERS
from hpnets.registry import nearest
from hpnets.validate import at_least, finite, positive, read, require

if TYPE_CHECKING:
    OptimiserName = str
else:
    OptimiserName = Literal[tuple(OPTIMISERS.names())]


@dataclass
class OptimOptions:
    """Optimiser.

    Args:
        name: one of those in hpnets/optimisers.py
        lr: learning rate
        weight_decay: of the optimiser's own kind
        momentum: of sgd; 0 is plain gradient descent
    """

    name: OptimiserName = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9

    def __post_init__(self) -> None:
        _read_fields(self, "optim.")
        positive("optim.lr", self.lr)
        finite("optim.weight_decay", self.weight_decay, minimum=0)
        require(0 <= self.momentum < 1, "optim.momentum", self.momentum, ">= 0 and < 1")


@dataclass
class NTKOptions:
    """Kernel tracking.

    Args:
        probe: number of training samples that the kernel is measured on
        every: measure after every n steps, at each end of an "epoch", at "log"-spaced steps, or "off"
        outputs: "trace", "full", "sum", or the index of one logit
        metrics: "all", or some of the names in docs/concepts/tracking.md
        algorithm: how the kernel is computed; auto is the cheapest that fits
        save_kernels: keep every measured kernel in ntk.safetensors, not only its spectrum
        batch_statistics: while BatchNorm's statistics remember their start, estimate them on training batches, or
            measure with the running ones
    """

    probe: int = 100
    every: int | Literal["epoch", "log", "off"] = "epoch"
    outputs: int | Literal["trace", "full", "sum"] = "trace"
    metrics: Literal["all"] | list[str] = "all"
    algorithm: Literal["auto", "structured", "jacobian", "ntkvp"] = "auto"
    save_kernels: bool = False
    batch_statistics: Literal["estimate", "running"] = "estimate"

    def __post_init__(self) -> None:
        _read_fields(self, "ntk.")
        at_least("ntk.probe", self.probe, 1)
        steps = isinstance(self.every, str) or self.every >= 1
        require(steps, "ntk.every", self.every, "an integer >= 1, 'epoch', 'log' or 'off'")
        logit = isinstance(self.outputs, str) or self.outputs >= 0
        require(logit, "ntk.outputs", self.outputs, "a logit, trace, full, sum")


@dataclass
class TrainerOptions:
    """Lightning's Trainer.

    Args:
        max_epochs: passes over the training set
        devices: how many processes, one a device
        accelerator: auto, cpu, gpu, ...
        strategy: auto, ddp, ...
        precision: 32-true, 64-true, bf16-mixed or 16-mixed
        deterministic: refuse operations that have no deterministic form
    """

    max_epochs: int = 20
    devices: int = 1
    accelerator: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    deterministic: bool = False

    def __post_init__(self) -> None:
        _read_fields(self, "trainer.")
        at_least("trainer.max_epochs", self.max_epochs, 1)
        at_least("trainer.devices", self.devices, 1)
        allowed = ("32-true", "64-true", "16-mixed", "bf16-mixed")  # weights in half precision have no exact kernel
        require(self.precision in allowed, "trainer.precision", self.precision, ", ".join(allowed))


@dataclass
class GANOptions:
    """Adversarial training, of models that generate pictures.

    Args:
        latent: dimension of the latents
        r1: weight gamma of the penalty gamma/2 |grad D|^2 on real pictures
        r1_every: apply it each that many steps from an epoch's first on, that many times as strongly
        ema: decay per step of the averaged generator, which is evaluated and kept
        critic_width: channels of the discriminator at the full resolution
    """

    latent: int = 64
    r1: float = 1.0
    r1_every: int = 16
    ema: float = 0.99
    critic_width: int = 16

    def __post_init__(self) -> None:
        _read_fields(self, "gan.")
        for name in ("latent", "r1_every", "critic_width"):
            at_least(f"gan.{name}", getattr(self, name), 1)
        finite("gan.r1", self.r1, minimum=0)
        require(0 <= self.ema < 1, "gan.ema", self.ema, ">= 0 and < 1")


@dataclass
class RunOptions:
    """Everything that makes a run: `model` and `task` hold a "name" and that model's or task's own options."""

    model: dict[str, Any] = field(default_factory=lambda: {"name": "ccp"})
    task: dict[str, Any] = field(default_factory=lambda: {"name": "digits"})
    optim: OptimOptions = field(default_factory=OptimOptions)
    ntk: NTKOptions = field(default_factory=NTKOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    gan: GANOptions = field(default_factory=GANOptions)
    wandb: Literal["online", "offline", "off", "auto"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _read_fields(self)
        for kind in ("model", "task"):
            name = getattr(self, kind).get("name")
            require(isinstance(name, str), f"{kind}.name", name, f"one of --list_{kind}s")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 2**32 - 1")

    def to_dict(self) -> dict[str, Any]:
        """Nested plain types, as config.yaml holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> "RunOptions":
        """The inverse of `to_dict`; ValueError for a part or option that is unknown, or no mapping."""
        known = {f.name: f.type for f in fields(cls)}
        _check_names(read("the configuration", config, dict), known)
        values = {}
        for key, value in config.items():
            kind: Any = known[key]
            if kind in (OptimOptions, NTKOptions, TrainerOptions, GANOptions):
                _check_names(read(key, value, dict), {f.name for f in fields(kind)}, f"{key}.")
                value = kind(**value)
            values[key] = value
        return cls(**values)


def _read_fields(options: Any, prefix: str = "") -> None:
    """Each field as its annotation asks for, in its place."""
    for f in fields(options):
        setattr(options, f.name, read(f"{prefix}{f.name}", getattr(options, f.name), f.type))


def _check_names(given: dict[Any, Any], known: Iterable[str], prefix: str = "") -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"there is no option {prefix}{key}; {nearest(str(key), known)}")

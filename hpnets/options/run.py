"""All options of a run, as config.yaml holds them."""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal

from hpnets.options.adversarial import AdversarialOptions
from hpnets.options.curvature import CurvatureOptions
from hpnets.options.fields import check_names, read_fields
from hpnets.options.gan import GANOptions
from hpnets.options.ntk import NTKOptions
from hpnets.options.optim import OptimOptions
from hpnets.options.trainer import TrainerOptions
from hpnets.options.wandb import WandbOptions, written_out
from hpnets.validate import read, require


@dataclass
class RunOptions:
    """Everything that makes a run: `model` and `task` hold a "name" and that model's or task's own options.

    init_from: a pretrained network, a run folder or a .ckpt file whose weights are the start. freeze: shell patterns,
    parted by commas, of what is not trained. dynamics: train the network, or its linearisation at these weights, with
    their outputs or without. imports: the sha256 of each file or module of a user's own, by name.
    """

    model: dict[str, Any] = field(default_factory=lambda: {"name": "ccp"})
    task: dict[str, Any] = field(default_factory=lambda: {"name": "digits"})
    optim: OptimOptions = field(default_factory=OptimOptions)
    ntk: NTKOptions = field(default_factory=NTKOptions)
    curvature: CurvatureOptions = field(default_factory=CurvatureOptions)
    trainer: TrainerOptions = field(default_factory=TrainerOptions)
    gan: GANOptions = field(default_factory=GANOptions)
    adversarial: AdversarialOptions = field(default_factory=AdversarialOptions)
    wandb: WandbOptions = field(default_factory=WandbOptions)
    seed: int = 0
    init_from: str | None = None
    freeze: str = ""
    dynamics: Literal["network", "linearised", "centred"] = "network"
    imports: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: Any = self.wandb
        if isinstance(given, str):  # the short form, by which code gives the mode too
            self.wandb = WandbOptions(given)  # type: ignore[arg-type]
        read_fields(self)
        for kind in ("model", "task"):
            name = getattr(self, kind).get("name")
            require(isinstance(name, str), f"{kind}.name", name, f"one of --list_{kind}s")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 2**32 - 1")
        start = "network, without init_from: the kernel that is frozen is that of trained weights"
        require(self.dynamics == "network" or self.init_from is not None, "dynamics", self.dynamics, start)
        texts = all(isinstance(text, str) for item in self.imports.items() for text in item)
        require(texts, "imports", self.imports, "the sha256 of each file or module, by its name")

    def to_dict(self) -> dict[str, Any]:
        """Nested plain types, as config.yaml holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> "RunOptions":
        """The inverse of `to_dict`; `wandb` may be a mode. ValueError for an unknown part or option, or no mapping."""
        config = written_out(config)
        known = {f.name: f.type for f in fields(cls)}
        check_names(read("the configuration", config, dict), known)
        values = {}
        for key, value in config.items():
            kind: Any = known[key]
            if isinstance(kind, type) and is_dataclass(kind):
                check_names(read(key, value, dict), {f.name for f in fields(kind)}, f"{key}.")
                value = kind(**value)
            values[key] = value
        return cls(**values)

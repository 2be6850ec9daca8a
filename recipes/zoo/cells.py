"""The cells of the zoo's work: one shipped config for each model, on the task that suits it."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hpnets.registry import nearest

if TYPE_CHECKING:
    from hpnets.options import RunOptions

CONFIGS = "recipes/configs"
SEEDS = (0, 1, 2)
TWIN = "_sum"
EMBEDDED = ("digits", "image_fit", "table")  # the tasks whose data come with the packages


@dataclass(frozen=True)
class Cell:
    """A model on a task, from recipes/configs/<task>/<model>.yaml; its weights are published as <model>-<task>."""

    config: Path

    @property
    def name(self) -> str:
        return f"{self.config.stem}-{self.config.parent.name}"

    @property
    def model(self) -> str:
        """The model's name; a config <model>_sum.yaml is of the additive twin, published by itself."""
        return self.config.stem.removesuffix(TWIN)

    def command(self, seed: int) -> str:
        """The command that trains these weights again."""
        return f"python recipes/train.py --config {CONFIGS}/{self.config.parent.name}/{self.config.name} --seed {seed}"

    def options(self, seed: int, twin: bool = False) -> "RunOptions":
        """All options of a run, with defaults, of the additive twin if `twin`; raises ValueError for a wrong config."""
        from hpnets.options import RunOptions
        from hpnets.training.build import complete

        try:
            options = RunOptions.from_dict({**yaml.safe_load(self.config.read_text()), "seed": seed, "wandb": "off"})
        except (TypeError, ValueError, yaml.YAMLError) as error:
            raise ValueError(f"{self.config} cannot be read: {error}") from None
        options.model |= {"product": "sum"} if twin else {}
        return complete(options)

    def makes_pictures(self) -> bool:
        """Whether the model is a generator; its pictures are measured by the published mlp of the task."""
        from hpnets.models import generates_pictures

        return generates_pictures(self.model)

    def has_twin(self) -> bool:
        """Whether the model's product can be replaced by a sum, which it is not yet."""
        from hpnets.models import model_options

        return not self.config.stem.endswith(TWIN) and "product" in model_options(self.model)


def find_cells(patterns: str | None = "*", configs: Path = Path(CONFIGS)) -> list[Cell]:
    """The cells whose names match one of the patterns, parted by commas; None for those whose data are embedded.

    Raises ValueError for a pattern that matches none.
    """
    if patterns is None:
        return [cell for cell in find_cells("*", configs) if cell.config.parent.name in EMBEDDED]
    known = {cell.name: cell for cell in map(Cell, sorted(configs.glob("*/*.yaml")))}
    if not known:
        raise ValueError(f"configs is {str(configs)!r}, which holds no <task>/<model>.yaml")
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    for pattern in wanted:
        if not any(fnmatch(name, pattern) for name in known):
            raise ValueError(f"cells has {pattern!r}, which matches none; {nearest(pattern, known)}")
    return [cell for name, cell in known.items() if any(fnmatch(name, pattern) for pattern in wanted)]

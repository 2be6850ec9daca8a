"""The options of logging to wandb."""

from dataclasses import dataclass, field
from typing import Any, Literal

from hpnets.options.fields import read_fields
from hpnets.validate import require

# What wandb refuses in a project's name, and the lengths that it allows.
FORBIDDEN, LONGEST_NAME, LONGEST_TAG = "/\\#?%:", 128, 64


@dataclass
class WandbOptions:
    """Logging to wandb, beside the run folder.

    Args:
        mode: where to log; auto is online with a key, else offline
        project: the project; null is WANDB_PROJECT, or hpnets
        group: runs of one group are shown together
        tags: words to find the run by
        name: the run's name there; null is that of its folder
    """

    mode: Literal["online", "offline", "off", "auto"] = "auto"
    project: str | None = None
    group: str | None = None
    tags: list[str] = field(default_factory=list)
    name: str | None = None

    def __post_init__(self) -> None:
        read_fields(self, "wandb.")
        for name in ("project", "group", "name"):
            value = getattr(self, name)
            fits = value is None or 0 < len(value.strip()) <= len(value) <= LONGEST_NAME
            require(fits, f"wandb.{name}", value, f"a text of 1 to {LONGEST_NAME} characters, null")
        fits = not set(self.project or "") & set(FORBIDDEN)
        require(fits, "wandb.project", self.project, f"a name without any of {FORBIDDEN}")
        fits = all(0 < len(tag.strip()) <= len(tag) <= LONGEST_TAG for tag in self.tags)
        require(fits, "wandb.tags", self.tags, f"a list of words of 1 to {LONGEST_TAG} characters")


def written_out(content: Any) -> Any:
    """What a config file holds, with `wandb: MODE`, the short form, as `wandb: {mode: MODE}`."""
    if isinstance(content, dict) and isinstance(content.get("wandb"), str | bool):
        return {**content, "wandb": {"mode": content["wandb"]}}
    return content

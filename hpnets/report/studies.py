"""Studies as a report shows them, from results.json and the pictures beside it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpnets.atomic_files import read_json

KINDS: dict[str, type | tuple[type, ...]] = {
    **{"name": str, "title": str, "source": str, "command": str, "seconds": (int, float)},
    **{"abstract": list, "claims": list, "figures": list},
}


@dataclass(frozen=True)
class Study:
    """What a page says of a study.

    claims: each with "says", "measured" and "verdict". pictures: the title and the svg file of each figure.
    """

    name: str
    title: str
    source: str
    abstract: str
    command: str
    seconds: float
    claims: list[dict[str, Any]]
    pictures: list[tuple[str, Path]]


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study."""
    return (folder / "results.json").is_file()


def read_study(folder: Path) -> Study:
    """The study of a folder; of one whose results cannot be read the folder's name and the reason."""
    try:
        page = _checked(folder / "results.json")
    except ValueError as error:
        return Study(folder.resolve().name, folder.resolve().name, str(folder), str(error), "", 0, [], [])
    figures = [(f["title"], folder / f["picture"]) for f in page["figures"] if f.get("picture")]
    return Study(
        **{name: page[name] for name in ("name", "title", "source", "command", "seconds", "claims")},
        abstract=" ".join(page["abstract"]),
        pictures=[(title, path) for title, path in figures if path.is_file()],
    )


def _checked(path: Path) -> dict[str, Any]:
    page = read_json(path)
    for name, kind in KINDS.items():
        if not isinstance(page, dict) or not isinstance(page.get(name), kind):
            raise ValueError(f"{path.name} lacks {name!r}; allowed: the results of this version's `hpnets study`")
    for claim in page["claims"]:
        if lost := {"says", "measured", "verdict"} - set(claim):
            raise ValueError(f"a claim of {path.name} lacks {min(lost)!r}; allowed: the results of `hpnets study`")
    return dict(page)

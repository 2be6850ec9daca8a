"""Write one page for each family of networks, from code and index: python -m recipes.zoo.cards"""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hpnets.commands.parser import run_command
from hpnets.commands.process import fail

MARKER = "models"
Entry = dict[str, Any]


def cards(
    pages: str = "docs/reference/models",
    index: str = "checkpoints/index.json",
    results: str = "docs/results/zoo",
    contents: str = "docs/README.md",
    check: bool = False,
) -> None:
    """Write each network's formula, paper, options, weights and numbers, and the links to the pages.

    Args:
        pages: folder of <family>.md and <family>.svg
        index: the index of the checkpoints
        results: folder of spectra.json
        contents: the page with the markers <!-- models --> and <!-- end models -->
        check: write nothing; if pages would change, name them and exit with 1
    """
    from hpnets.atomic_files import write_text
    from hpnets.report import check_markers, draw_spectra, replace_between
    from recipes.zoo.spectra import read_spectra

    begin, end = check_markers(Path(contents), MARKER)
    entries, spectra = json.loads(Path(index).read_text()), read_spectra(Path(results))
    wanted = {Path(pages) / f"{f}.md": card(f, models, entries, spectra) for f, models in families().items()}
    links = link_list(Path(pages), Path(contents))
    if check:
        stale = [str(path) for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
        stale += [str(path) for path in Path(pages).glob("*.md") if path not in wanted]
        listed = Path(contents).read_text().partition(begin)[2].partition(end)[0]
        stale += [contents] if listed != f"\n{links}\n" else []
        return fail(f"stale: {', '.join(stale)}; run: python -m recipes.zoo.cards", status=1) if stale else None
    for path, text in wanted.items():
        write_text(path, text)
        shown = {e["name"]: spectra[e["name"]] for e in of(families()[path.stem], entries) if e["name"] in spectra}
        if shown:
            draw_spectra(shown, path.with_suffix(".svg"), columns=len(shown))
    replace_between(Path(contents), MARKER, links)


def families() -> dict[str, list[str]]:
    """The names of the registered models, by the file that they are in."""
    from hpnets.models import list_models
    from hpnets.models.registry import model_class

    modules: dict[str, list[str]] = {}
    for name in list_models():
        modules.setdefault(model_class(name).__module__.rpartition(".")[2], []).append(name)
    return dict(sorted(modules.items()))


def of(models: list[str], entries: list[Entry]) -> list[Entry]:
    """The published networks of some models."""
    return [entry for entry in entries if entry["model"]["name"] in models]


def card(family: str, models: list[str], entries: list[Entry], spectra: dict[str, Any]) -> str:
    """The page of a family."""
    from hpnets.models.registry import model_class

    own = of(models, entries)
    module = importlib.import_module(f"hpnets.models.{family}")
    parts = [f"# {', '.join(models)}", markdown((module.__doc__ or "").strip())]
    parts += [f"Code: `hpnets/models/{family}.py`. Written by `python -m recipes.zoo.cards` from code and index."]
    for name in models:
        parts += [f"## `{name}`", markdown(inspect.getdoc(model_class(name)) or "")]
        parts += [options_table(name), *size_table(name)]
    parts += [section for entry in own for section in weights(entry)]
    if any(entry["name"] in spectra for entry in own):
        parts += [f"![kernel spectra after training, beside the additive twins]({family}.svg)"]
    return "\n\n".join(parts) + "\n"


def options_table(name: str) -> str:
    """A table of a model's options --model.<option>: what each is, its type, what is allowed, its default."""
    from hpnets.models import model_option_docs, model_options
    from recipes.zoo.sizes import type_name

    docs = model_option_docs(name)
    rows = [
        f"| `--model.{key}` | {escaped(docs[key].text)} | {type_name(p)} | {docs[key].allowed} | `{p.default}` |"
        for key, p in model_options(name).items()
    ]
    return "\n".join(["| option | what it is | type | allowed | default |", "| --- | --- | --- | --- | --- |", *rows])


def size_table(name: str) -> list[str]:
    """A table of what a model's named sizes cost; [] for a model without sizes."""
    from hpnets.models import generates_pictures
    from recipes.zoo.sizes import sizes

    costs = sizes(name)
    if not costs:
        return []
    what = "pictures of 3x32x32 from 3072 latents" if generates_pictures(name) else "3x32x32 images and 10 classes"
    rows = [f"| `{size}` | {c.parameters:,} | {c.flops:,} |" for size, c in costs.items()]
    head = [f"| size, for {what} | parameters | FLOPs of a forward pass |", "| --- | ---: | ---: |"]
    return ["\n".join([*head, *rows])]


def weights(entry: Entry) -> Iterator[str]:
    """Yield the sections of a published network: how to load and train it, its test metrics, its row of numbers."""
    from hpnets.report import spread, zoo_table

    yield f"## Weights: `{entry['name']}`"
    yield f'```python\nfrom hpnets import load_pretrained\n\nnet, preprocess = load_pretrained("{entry["name"]}")\n```'
    yield f"```text\n{entry['command']}\n```"
    yield ", ".join(f"{name.removeprefix('test/')} {spread(value)}" for name, value in entry["metrics"].items()) + "."
    yield zoo_table([entry])
    yield "What the columns mean: [the zoo](../../results/zoo.md)."


def markdown(docstring: str) -> str:
    """A docstring as Markdown: formulas (indented lines) stay unchanged; elsewhere * and < are escaped."""
    return "\n".join(line if line.startswith("    ") else escaped(line) for line in docstring.splitlines())


def escaped(line: str) -> str:
    """A line with * and < escaped outside of `code`."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"([*<])", r"\\\1", part) for part in parts)


def link_list(pages: Path, contents: Path) -> str:
    """One list item with a link to each page."""
    folder = pages.resolve().relative_to(contents.resolve().parent)
    return "- " + ",\n  ".join(f"[{', '.join(models)}]({folder}/{f}.md)" for f, models in families().items()) + "."


if __name__ == "__main__":
    run_command(cards)

"""Measure a paper's statements: hpnets study extrapolation --quick"""

from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

from hpnets.commands.parser import Parser
from hpnets.commands.process import program
from hpnets.papers import list_papers, load_paper
from hpnets.study.paper import Paper

USAGE = "usage: hpnets study NAME [options] | NAME --help | --list"


def main(argv: list[str]) -> None:
    """Run the study that the first word names, with the options after it; raises ValueError for an unknown name."""
    name, *words = argv or ["--help"]
    if name in ("-h", "--help"):
        print(f"{USAGE}\n\npapers:\n{listing()}")
    elif name == "--list":
        print(listing())
    else:
        run(load_paper(name), words)


def listing() -> str:
    """One line for each paper: its name and its title."""
    return "\n".join(f"  {name:<23}{load_paper(name).title}" for name in list_papers())


def run(paper: Paper, words: list[str]) -> None:
    """Run a paper's study with these words of the command line."""
    given = parser_of(paper).parse_args(words)
    sizes = paper.quick if given.quick else paper.sizes
    options = {name: getattr(given, name) for name in paper.options}
    seeds = sizes.seeds if given.seeds is None else given.seeds
    page = Path(given.page) if given.page else None

    from hpnets.environment import device_of
    from hpnets.study.run import run_study

    device = "cpu" if given.render else device_of(given.device)
    run_study(paper, replace(sizes, seeds=seeds, **options), Path(given.out), device, page, given.render)


def parser_of(paper: Paper) -> Parser:
    """The parser of the options of all studies and of this paper's own."""
    name, page = paper.name, f"docs/results/papers/{paper.name}"
    parser = Parser(prog=f"{program()} {name}", description=f"{paper.title}: {paper.source}.")
    out = "the run folder; cells that are finished in it are not computed again"
    parser.add_argument("--out", type=str, default=f"runs/{name}", help=out)
    parser.add_argument("--quick", action="store_true", help="run small sizes, in minutes")
    parser.add_argument(
        "--seeds", type=int, help=f"how many seeds, counted from 0; at least 3 (default: {paper.sizes.seeds})"
    )
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu or cuda")
    parser.add_argument("--page", type=str, help=f"the folder for README.md, results.json and pictures, such as {page}")
    parser.add_argument("--render", action="store_true", help="compute nothing; take the results.json in --out")
    types = get_type_hints(type(paper.sizes))
    for option, what in paper.options.items():
        parser.add_argument(f"--{option}", type=types[option], default=getattr(paper.sizes, option), help=what)
    return parser

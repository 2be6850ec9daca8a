"""Lists of the registered models and tasks, one a line: its name and what it is."""

from hpnets.commands.own_code import FLAG, take_imports
from hpnets.commands.parser import Parser
from hpnets.registry import nearest


def print_list(kind: str, argv: list[str]) -> None:
    """Print the models or the tasks (`kind` is "model" or "task") that match the pattern in `argv`."""
    argv, _ = take_imports(argv)
    parser = Parser(description=f"List the {kind}s, one a line: name and what it is.")
    parser.add_argument("pattern", nargs="?", default="*", help="a shell pattern, such as '*mlp*'")
    parser.add_argument(FLAG, dest="imports", metavar="FILE", help="a Python file or module whose own are listed too")
    print("\n".join(listing(kind, parser.parse_args(argv).pattern)))


def listing(kind: str, pattern: str = "*") -> list[str]:
    """A line for each model or task that matches; raises ValueError with the nearest names if none does."""
    from hpnets.models import list_models, model_summary
    from hpnets.tasks import list_tasks, task_summary

    list_names, summary = (list_models, model_summary) if kind == "model" else (list_tasks, task_summary)
    names = list_names(pattern)
    if not names:
        raise ValueError(f"no {kind} matches {pattern!r}; {nearest(pattern, list_names())}")
    return [f"{name:<{max(map(len, names))}}  {summary(name)}" for name in names]

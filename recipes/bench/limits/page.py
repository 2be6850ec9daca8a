"""The page of the limit kernels' measurements, made from the jsons beside it."""

from typing import Any

from recipes.bench.limits import convergence, eigenvalues, equivalence, parity, speed

SECTIONS = {
    "convergence": ("Finite networks tend to their limits", convergence),
    "equivalence": ("Trained networks and their kernels' predictions", equivalence),
    "parity": ("The same kernels as neural-tangents", parity),
    "eigenvalues": ("Eigenvalues on the sphere to 40 digits", eigenvalues),
    "speed": ("Seconds beside neural-tangents", speed),
}


def render(results: dict[str, dict[str, Any]]) -> str:
    """The page: a title, and for each json that there is, what it is, its command, its environment and its table."""
    parts = ["# The limit kernels, measured", "Each table is written by its command from the json of its name here."]
    for name, (title, section) in SECTIONS.items():
        if results[name]:
            parts += [f"## {title}", section.ABOUT, about(results[name]), section.table(results[name]["measured"])]
    return "\n\n".join(parts) + "\n"


def about(result: dict[str, Any]) -> str:
    """The commands, one a line, and the environment of the last one."""
    e, commands = result["environment"], result["command"].replace(" && ", " &&\n")
    return (
        f"```text\n{commands}\n```\n\n{e['date']}, {e['device']}, torch {e['versions']['torch']}, commit "
        f"{e['commit']}, load {e['load']:.1f}."
    )

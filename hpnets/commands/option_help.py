"""What `--help` and the models' pages say of an option: a line of text, and what is allowed."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_origin

NONSENSE = "?"  # no option that is checked takes it
Parts = tuple[dict[str, inspect.Parameter], dict[str, str], Callable[..., object]]


def option_help(kind: str, name: str) -> dict[str, str]:
    """A line on each option of a model or task (`kind`): what it is, and what is allowed if its type does not say."""
    options, texts, build = model_parts(name) if kind == "model" else task_parts(name)
    answers = {key: "" if get_origin(p.annotation) is Literal else allowed(build, key) for key, p in options.items()}
    parts = {key: [texts.get(key, ""), answer and f"allowed: {answer}"] for key, answer in answers.items()}
    return {key: "; ".join(filter(None, both)) for key, both in parts.items()}


def model_parts(name: str) -> Parts:
    """The options of a model, a line on each, and the function that builds it for some inputs."""
    from hpnets.models import create_model, model_option_texts, model_options
    from hpnets.models.registry import model_class

    texts = {**described(model_class(name)), **model_option_texts(name)}
    return model_options(name), texts, partial(create_model, name, input_shape=(3, 32, 32), output_dim=10)


def task_parts(name: str) -> Parts:
    """The same of a task."""
    from hpnets.tasks import create_task, task_options
    from hpnets.tasks.base import TASKS

    return task_options(name), described(TASKS.get(name)), partial(create_task, name)


def allowed(build: Callable[..., object], key: str) -> str:
    """What `build` answers to nonsense for its option `key`: "an integer >= 1", or words; "" where it takes any."""
    try:
        build(**{key: NONSENSE})
    except ValueError as error:
        return str(error).partition("allowed: ")[2]
    return ""


def described(cls: type) -> dict[str, str]:
    """The lines `option: text` after `Args:` in the docstrings of a class and of those that it derives from."""
    texts: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        section = inspect.cleandoc(each.__dict__.get("__doc__") or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
        entries = re.split(r"^    (?=\w)", section, flags=re.MULTILINE)
        texts |= {key: " ".join(text.split()) for key, _, text in (entry.partition(":") for entry in entries) if text}
    return texts


def docstring(lines: Mapping[str, str]) -> str:
    """A docstring that says these lines of the fields of a dataclass, as jsonargparse reads it."""
    return "\n".join(["Options.", "", "Args:", *(f"    {key}: {text}" for key, text in lines.items())])

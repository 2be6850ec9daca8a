"""Options that are said once: type, default, what is allowed and a line of text, as one field of a dataclass.

@dataclass(frozen=True)
class Widths(OptionSet):
    width: Annotated[int, Option("units of a hidden layer", partial(at_least, minimum=1))] = 64

class Net(nn.Module):
    @takes(Widths)
    def __init__(self, input_shape: tuple[int, ...], output_dim: int, o: Widths) -> None: ...

Net((1, 8, 8), 10, width=32)  # checked, and in inspect.signature(Net)
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter
from types import NoneType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

P = ParamSpec("P")
Options = TypeVar("Options", bound="OptionSet")
Net = TypeVar("Net")
Shape = tuple[int, ...]
NONSENSE = "?"  # no option takes it
Constructor = Callable[[Net, Shape, int, Options], None]


@dataclass(frozen=True)
class Option:
    """What an option is, in a line, and its check: `check(name, value)` returns the value, or raises ValueError.

    Without a check the constructor refuses what is wrong itself.
    """

    text: str
    check: Callable[[str, Any], Any] | None = None

    @property
    def allowed(self) -> str:
        """What the check allows, in the words of its own error; "" without a check."""
        try:
            if self.check:
                self.check("option", NONSENSE)
        except ValueError as error:
            return str(error).partition("allowed: ")[2]
        return ""

    @property
    def line(self) -> str:
        """The text, and what is allowed."""
        return f"{self.text}; allowed: {self.allowed}" if self.allowed else self.text


class OptionSet:
    """Base of the dataclasses: each field is checked as its `Option` says; ValueError names the first that is wrong.

    A field whose type takes None takes it unchecked. A subclass that gives a field another default keeps its place.
    """

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            value, option = getattr(self, name), said(hint)
            if option and option.check and not (value is None and NoneType in get_args(plain(hint))):
                object.__setattr__(self, name, option.check(name, value))  # frozen, for all others


def takes(
    options: Callable[P, Options],
) -> Callable[[Constructor[Net, Options]], Callable[Concatenate[Net, Shape, int, P], None]]:
    """Decorator of a constructor (input_shape, output_dim, options): its caller gives the fields, by place or name."""

    def decorate(construct: Constructor[Net, Options]) -> Callable[Concatenate[Net, Shape, int, P], None]:
        @wraps(construct)
        def flat(self: Net, input_shape: Shape, output_dim: int, *args: P.args, **kwargs: P.kwargs) -> None:
            construct(self, input_shape, output_dim, options(*args, **kwargs))

        own = inspect.signature(construct)
        given = [*own.parameters.values()][:3]
        flat.__signature__ = own.replace(parameters=given + parameters(options))  # type: ignore[attr-defined]
        return flat

    return decorate


def parameters(options: Any) -> list[Parameter]:
    """The fields of an `OptionSet` as parameters of a constructor, in order."""
    hints, kind = get_type_hints(options, include_extras=True), Parameter.POSITIONAL_OR_KEYWORD
    return [Parameter(f.name, kind, default=f.default, annotation=hints[f.name]) for f in fields(options)]


def declared(function: Callable[..., object]) -> dict[str, Parameter]:
    """The parameters of a function or class, in order, with their plain types."""
    given = inspect.signature(function).parameters
    return {name: p.replace(annotation=plain(p.annotation)) for name, p in given.items()}


def option_docs(function: Callable[..., object]) -> dict[str, Option]:
    """What is said of the parameters of a function or class, of those whose annotation has an `Option`."""
    given = inspect.signature(function).parameters
    return {name: option for name, p in given.items() if (option := said(p.annotation))}


def plain(annotation: Any) -> Any:
    """The type of an annotation, without what is said of it."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def said(annotation: Any) -> Option | None:
    """The `Option` of an annotation, None for one without."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Option)), None)

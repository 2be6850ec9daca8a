"""What recipes.bench.stability trains: problems on which a product network fails, and changes that may mend it."""

from dataclasses import dataclass, field
from typing import Any

DEGREE = 8
RESIDUAL = (DEGREE - 1) ** -0.5  # then the mean square of y_N grows by less than e, whatever the degree


@dataclass(frozen=True)
class Change:
    """A row: what is changed, and the options that do it.

    inputs, weights: factors that no option has, of x and, at the start, of the U_n with n >= 2.
    """

    what: str
    model: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    inputs: float = 1.0
    weights: float = 1.0

    def flags(self) -> str:
        """The change as flags of recipes/train.py, or in words where there are none."""
        options = {"model": self.model, "optim": self.optim}
        flags = [f"--{group}.{key} {_text(value)}" for group, own in options.items() for key, value in own.items()]
        words = [f"`{' '.join(flags)}`"] if flags else []
        words += [f"x times {self.inputs:g}"] if self.inputs != 1 else []
        words += [f"U_n times {self.weights:.3g}, n >= 2"] if self.weights != 1 else []
        return "; ".join(words) or "-"


@dataclass(frozen=True)
class Problem:
    """A network, a task and an optimiser that fail together, and the changes that are tried, one row each."""

    name: str
    about: str
    model: dict[str, Any]
    task: dict[str, Any]
    optim: dict[str, Any]
    epochs: int
    metric: str
    changes: tuple[Change, ...]

    def command(self) -> str:
        """The run without a change."""
        task = {key: value for key, value in self.task.items() if key != "name"}
        parts = {"model": self.model, "task": task, "optim": self.optim, "trainer": {"max_epochs": self.epochs}}
        flags = [f"--{group}.{key} {_text(value)}" for group, own in parts.items() for key, value in own.items()]
        named = " ".join(flags).replace("--model.name", "--model")
        return f"python recipes/train.py --task {self.task['name']} {named} --ntk.every off"


def _text(value: Any) -> str:
    return str(value).lower().replace(" ", "")


AS_IT_IS = Change("as it is")
WARM = {"schedule": "cosine", "warmup": 0.2}
DIGITS = Problem(
    "digits",
    "A polynomial of degree 8 under plain momentum, with the rate at which a network of degree 3 trains well.",
    {"name": "ccp", "degree": DEGREE, "width": 128},
    {"name": "digits"},
    {"name": "sgd", "lr": 0.01},
    8,
    "accuracy",
    (
        AS_IT_IS,
        Change("lower degree", {"degree": 3}),
        Change("inputs twice as large", inputs=2.0),
        Change("inputs half as large", inputs=0.5),
        Change("smaller factors beside the skip", weights=RESIDUAL),
        Change("no skip", {"skip": False}),
        Change("batch norm of each product", {"norm": "batch"}),
        Change("layer norm of each product", {"norm": "layer"}),
        Change("bounded factors", {"activation": "tanh"}),
        Change("tenth of the rate", optim={"lr": 0.001}),
        Change("warmup and cosine", optim=WARM),
        Change("clipping", optim={"clip": 1.0}),
        Change("clipping, warmup and cosine", optim={"clip": 1.0, **WARM}),
        Change("adam", optim={"name": "adam", "lr": 0.001}),
        Change("adam, ten times its rate", optim={"name": "adam"}),
        Change("ntk parametrisation", {"parametrisation": "ntk"}),
        Change("mup from width 32", {"parametrisation": "mup", "base_width": 32}),
        Change("smaller factors, clipping, warmup and cosine", optim={"clip": 1.0, **WARM}, weights=RESIDUAL),
    ),
)
DIABETES = Problem(
    "diabetes",
    "The same network on a table of 310 training rows, with the default optimiser. An mse of 1 is that of the mean.",
    {"name": "ccp", "degree": DEGREE, "width": 128},
    {"name": "table", "data": "diabetes"},
    {"name": "adam", "lr": 0.001},
    12,
    "mse",
    (
        AS_IT_IS,
        Change("lower degree", {"degree": 4}),
        Change("degree 2", {"degree": 2}),
        Change("smaller factors beside the skip", weights=RESIDUAL),
        Change("still smaller ones", weights=0.1),
        Change("batch norm of each product", {"norm": "batch"}),
        Change("layer norm of each product", {"norm": "layer"}),
        Change("bounded factors", {"activation": "tanh"}),
        Change("tenth of the rate", optim={"lr": 0.0001}),
        Change("warmup and cosine", optim=WARM),
        Change("clipping", optim={"clip": 1.0}),
        Change("weight decay", optim={"name": "adamw", "weight_decay": 0.1}),
    ),
)
PDC = Problem(
    "pdc",
    "A residual network of six blocks with a second-degree branch in each, without norms and activations.",
    {"name": "pdc", "width": 8, "blocks": [2, 2, 2], "norm": "none", "activation": "none", "alpha0": 1.0},
    {"name": "digits"},
    {"name": "sgd", "lr": 0.01},
    3,
    "accuracy",
    (
        AS_IT_IS,
        Change("residual scale 0.1", {"alpha0": 0.1}),
        Change("residual scale 0.01", {"alpha0": 0.01}),
        Change("residual scale 0, the closed gate", {"alpha0": 0.0}),
        Change("batch norm", {"norm": "batch"}),
        Change("clipping", optim={"clip": 1.0}),
        Change("tenth of the rate", optim={"lr": 0.001}),
    ),
)
PROBLEMS = (DIGITS, DIABETES, PDC)

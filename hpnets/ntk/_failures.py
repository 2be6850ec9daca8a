"""The ways in which a kernel fails: a refusal, a failed proof, or an algorithm that raised."""

from collections.abc import Iterator
from contextlib import contextmanager


class RefusalError(ValueError):
    """No path gives an exact kernel of this network or these inputs."""


class UnprovenWarning(UserWarning):
    """A rule or an algorithm does not hold on these samples, so that an exact slower path was taken."""


class DisprovenError(Exception):
    """What the plan assumed of some parameters does not hold on these samples.

    contractions: the contraction that each of these parameters took, by name.
    """

    def __init__(self, contractions: dict[str, str]) -> None:
        super().__init__(", ".join(contractions))
        self.contractions = contractions


class CrashError(Exception):
    """An algorithm raised an exception, `cause`, that is neither a refusal nor a failed proof.

    algorithm: its name; "jacobian" also stands for the parameters without a rule within "structured".
    """

    def __init__(self, algorithm: str, cause: Exception) -> None:
        super().__init__(f"{algorithm}: {cause}")
        self.algorithm, self.cause = algorithm, cause


@contextmanager
def crashes_of(algorithm: str) -> Iterator[None]:
    """Raise CrashError for what is raised inside and is neither a refusal nor a failed proof."""
    try:
        yield
    except (RefusalError, DisprovenError, CrashError):
        raise
    except Exception as error:
        raise CrashError(algorithm, error) from error

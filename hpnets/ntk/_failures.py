"""The ways in which a kernel fails: a refusal, a proof that failed, an algorithm that raised."""


class RefusalError(ValueError):
    """A network or inputs of which no exact kernel exists, on any path."""


class UnprovenWarning(UserWarning):
    """A parameter whose rule does not hold on the samples at hand, so that its gradients took the exact slow path."""


class DisprovenError(Exception):
    """What the plan assumed of these parameters, by name the contraction that each took, is not so on these samples."""

    def __init__(self, contractions: dict[str, str]) -> None:
        super().__init__(", ".join(contractions))
        self.contractions = contractions


class CrashError(Exception):
    """An algorithm raised, with the cause, what is neither a refusal nor a proof that failed.

    algorithm: "jacobian" also for the parameters without a rule of "structured".
    """

    def __init__(self, algorithm: str, cause: Exception) -> None:
        super().__init__(f"{algorithm}: {cause}")
        self.algorithm, self.cause = algorithm, cause

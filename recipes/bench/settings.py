"""The settings by which the engine and its peers are measured."""

from dataclasses import dataclass
from pathlib import Path

from recipes.bench.proof import OFF
from recipes.bench.worker import Job


@dataclass(frozen=True)
class Settings:
    """How to measure.

    repeats: rounds of A B. limit: seconds after which a call is given up. peer_seconds: seconds that a peer's timed
    calls may take.
    """

    folder: Path
    repeats: int
    threads: int
    device: str
    limit: float
    peer_seconds: float
    quick: bool

    def rounds(self, seconds: float) -> int:
        """How often a call of this many seconds is timed."""
        return max(1, min(self.repeats, int(self.peer_seconds / seconds)))

    def job(self, case: str, samples: int, options: dict[str, int] | None = None, digits: bool = False) -> Job:
        """A job whose data is written now: standard normal inputs, or digits with noise."""
        from recipes.bench.cases import prepare

        data = prepare(case, self.folder, samples, options or {}, digits)
        return Job(case, str(data), samples, self.device, self.threads, verify=OFF, options=options or {})

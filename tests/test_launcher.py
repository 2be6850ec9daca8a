"""The devices and nodes that a launcher has started, by its environment."""

import pytest

from hpnets.options import TrainerOptions
from hpnets.options.launcher import is_shared, launched

Environment = dict[str, str]
TORCHRUN_2: Environment = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
TWO_NODES: Environment = {"WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3"}
LIGHTNING: Environment = {"WORLD_SIZE": "2"}  # as it starts its processes


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without a launcher."""
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def start(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, {}, (1, 1)),
        ({}, {"devices": 3}, (3, 1)),
        (TORCHRUN_2, {}, (2, 1)),
        (TORCHRUN_2, {"num_nodes": 2}, (1, 2)),
        (TWO_NODES, {}, (3, 2)),
        (TWO_NODES, {"devices": 3, "num_nodes": 2}, (3, 2)),
        (LIGHTNING, {"devices": 2}, (2, 1)),
        ({"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, {}, (1, 1)),
        ({"SLURM_NTASKS": "4"}, {"devices": 2, "num_nodes": 2}, (2, 2)),
    ],
)
def test_what_is_not_given_is_what_was_started(
    environment: Environment, given: dict[str, int], expected: tuple[int, int], within: pytest.MonkeyPatch
) -> None:
    start(within, environment)
    options = launched(TrainerOptions(**given))
    assert (options.devices, options.num_nodes) == expected
    assert is_shared() == (environment.get("WORLD_SIZE", "1") != "1")


@pytest.mark.parametrize(
    ("environment", "given", "message"),
    [
        (TORCHRUN_2, {"devices": 1}, "trainer.devices is 1 and trainer.num_nodes is 1; allowed: a product of 2, the p"),
        (TORCHRUN_2, {"devices": 2, "num_nodes": 2}, "trainer.devices is 2 and trainer.num_nodes is 2; allowed: a pro"),
        (TORCHRUN_2, {"num_nodes": 3}, "trainer.devices is 1 and trainer.num_nodes is 3; allowed: a product of 2"),
        (TWO_NODES, {"devices": 2}, "trainer.devices is 2 and trainer.num_nodes is 2; allowed: a product of 6"),
        (TWO_NODES, {"num_nodes": 1, "devices": 3}, "trainer.num_nodes is 1; allowed: a product of 6"),
        (
            {"WORLD_SIZE": "1"},
            {"devices": 2},
            "trainer.devices is 2 and trainer.num_nodes is 1; allowed: a product of 1",
        ),
        ({}, {"num_nodes": 2}, "trainer.num_nodes is 2; allowed: 1 without a launcher; torchrun starts"),
        ({"WORLD_SIZE": "two"}, {}, "WORLD_SIZE is 'two'; allowed: an integer"),
        ({"WORLD_SIZE": "0"}, {}, "WORLD_SIZE is 0; allowed: an integer >= 1"),
    ],
)
def test_another_number_than_was_started_is_refused(
    environment: Environment, given: dict[str, int], message: str, within: pytest.MonkeyPatch
) -> None:
    start(within, environment)
    with pytest.raises(ValueError, match=message):
        launched(TrainerOptions(**given))

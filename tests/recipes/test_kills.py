"""recipes/checks/kills: what the page says of runs that were killed."""

from typing import Any

from recipes.checks.kills import FILES, page

RECORD: dict[str, Any] = {
    "command": "python -m recipes.checks.kills",
    "flags": {"plain": "--model ccp"},
    "environment": {"started": "2026-01-01T00", "device": "cpu", "versions": {"torch": "2"}, "commit": "abc"},
    "runs": [
        {"options": "plain", "kills": [{"step": 7, "epochs": 1, "batches": 2}, {}], "same": dict.fromkeys(FILES, True)},
        {"options": "plain", "kills": [], "same": {**dict.fromkeys(FILES, True), "metrics.csv": False}},
    ],
}


def test_the_page_counts_what_is_the_same_and_shows_what_differs() -> None:
    text = page(RECORD)
    assert "**1 of 2 runs, killed 2 times, are the same.**" in text
    assert "| 1 | plain | step 7 (1 epochs and 2 batches); no checkpoint | same | same | same |" in text
    assert "| 2 | plain | not killed in time | same | DIFFERS | same |" in text
    assert "- plain: `--model ccp`" in text

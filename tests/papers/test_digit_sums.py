"""Sums of two digits, some of which are held out."""

from pathlib import Path

import pytest
import torch

from hpnets.papers.parts.digit_sums import FOLDS, metrics, pair_data
from tests.tasks.formats import write_files


def test_metrics_of_sums() -> None:
    f = torch.tensor([[[3.4], [2.6], [4.4], [4.6]]])
    hits = metrics(f, torch.full((1, 4, 1), 3.0))
    assert {name: values[0] for name, values in hits.items()} == {"round": 0.5, "floor or ceil": 0.5, "within 1": 0.75}


@pytest.mark.parametrize("fold", FOLDS)
def test_held_out_sums_are_held_out(fold: str) -> None:
    held = torch.tensor(FOLDS[fold])
    x, s, x_seen, s_seen, x_held, s_held = pair_data(fold, [0], 256, None, "cpu")
    assert [part.shape[:2] for part in (x, x_seen, x_held)] == [(1, 256), (1, 2000), (1, 2000)]
    assert not torch.isin(torch.cat([s, s_seen], 1), held).any()
    assert torch.isin(s_held, held).all()


def test_sums_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("mnist", tmp_path, monkeypatch)
    x, s, *_ = pair_data("low", [0, 1], 64, str(tmp_path), "cpu")
    assert x.shape == (2, 64, 1568)
    assert 4 <= float(s.min()) <= float(s.max()) <= 18

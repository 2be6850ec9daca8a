"""Phase maps: cells where their numbers are, hatches where the change was seen, and the line."""

from pathlib import Path
from typing import Any

import pytest

from hpnets.study import phase_map
from hpnets.study.charts import chart
from hpnets.study.phase_maps import edges

CELLS = {(n, m): -2.0 - m / n for n in (10.0, 20.0, 80.0) for m in (1.0, 2.0, 8.0)}
LABELS: dict[str, Any] = {"xlabel": "N, points", "ylabel": "m, units", "value": "log10 loss"}


def test_numbers_hatches_and_line(tmp_path: Path) -> None:
    with chart(tmp_path / "map.svg", 1, "A map") as (axes,):
        phase_map(axes, CELLS, **LABELS, at_most=-2.3, line=[(10, 1), (80, 8)], predicted="P = N")
        assert [text.get_text() for text in axes.texts] == [f"{v:.1f}" for v in CELLS.values()]
        assert [text.get_position() for text in axes.texts] == list(CELLS)
        hatched = {(p.get_x() < n < p.get_x() + p.get_width(), n, m) for p in axes.patches for n, m in CELLS}
        assert len(axes.patches) == sum(v <= -2.3 for v in CELLS.values()) == 2
        assert {n for inside, n, _ in hatched if inside} == {10.0, 20.0}
        assert axes.lines[0].get_xydata().tolist() == [[10, 1], [80, 8]]
        assert axes.get_legend_handles_labels()[1] == ["log10 loss <= -2.3", "P = N"]
        assert [t.get_text() for t in axes.get_xticklabels()] == ["10", "20", "80"]
    assert "N, points" not in (tmp_path / "map.svg").read_text()[:100]


def test_borders_are_halfway_on_a_log_axis() -> None:
    assert edges([1, 4, 16]) == pytest.approx([0.5, 2, 8, 32])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({(1.0, 1.0): 0.0, (2.0, 2.0): 0.0}, r"cells lack \(1.0, 2.0\); allowed: a number for each x with each y"),
        ({(1.0, 1.0): 0.0, (2.0, 1.0): 0.0}, "allowed: two or more of each, all > 0"),
        ({(x, y): 0.0 for x in (0.0, 1.0) for y in (1.0, 2.0)}, "allowed: two or more of each, all > 0"),
    ],
)
def test_a_grid_with_holes_or_without_a_logarithm_is_refused(
    cells: dict[tuple[float, float], float], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message), chart(tmp_path / "map.svg", 1, "A map") as (axes,):
        phase_map(axes, cells, **LABELS, at_most=0.0)

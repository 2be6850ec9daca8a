"""Pictures and pages, made only from run folders and from the index of checkpoints."""

from hpnets.report.curves import draw_curves
from hpnets.report.markers import check_markers, replace_between
from hpnets.report.zoo import best_table, by_goal, metric_of, spread, zoo_table
from hpnets.report.zoo_pictures import draw_metric, draw_spectra, draw_width
from hpnets.report.zoo_summary import summary

__all__ = [
    "best_table",
    "by_goal",
    "check_markers",
    "draw_curves",
    "draw_metric",
    "draw_spectra",
    "draw_width",
    "metric_of",
    "replace_between",
    "spread",
    "summary",
    "zoo_table",
]

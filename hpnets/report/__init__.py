"""Pictures and pages made from run folders alone."""

from hpnets.report.curves import draw_curves
from hpnets.report.tables import check_markers, pretrained_table, replace_between

__all__ = ["check_markers", "draw_curves", "pretrained_table", "replace_between"]

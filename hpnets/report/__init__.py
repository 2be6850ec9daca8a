"""Pictures and pages made from run folders alone."""

from hpnets.report.curves import draw_curves
from hpnets.report.tables import pretrained_table, replace_between

__all__ = ["draw_curves", "pretrained_table", "replace_between"]

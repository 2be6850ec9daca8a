"""Pictures and pages made from run folders alone."""

from hpnets.report.curves import draw_curves

__all__ = ["draw_curves"]

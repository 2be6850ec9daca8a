"""Attacks on classifiers: the worst input near each sample, of networks and of kernel machines.

attack(net, x, y, task.box, AttackOptions(eps=0.1)).accuracy  # the share of samples that stay classified correctly
"""

from hpnets.attacks._balls import Ball, Box
from hpnets.attacks._losses import is_wrong, losses
from hpnets.attacks._search import Attacked, Predict, attack, perturb

__all__ = ["Attacked", "Ball", "Box", "Predict", "attack", "is_wrong", "losses", "perturb"]

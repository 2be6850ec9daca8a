"""Training with Lightning: the module, the callbacks that measure kernels, the loggers and the run folder."""

from hpnets.training.coordinate_checks import CoordinateCheck, coordinate_check
from hpnets.training.curvature_monitor import CurvatureMonitor
from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.evaluation import check_attack, evaluate, evaluate_attacked
from hpnets.training.finished_run import load_checkpoint, load_run
from hpnets.training.harmonic_monitor import HarmonicMonitor
from hpnets.training.linear_twin import LinearTwin
from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.run import Summary, train
from hpnets.training.run_folder import RunFolder

__all__ = [
    "CoordinateCheck",
    "CurvatureMonitor",
    "HarmonicMonitor",
    "Interrupted",
    "LinearTwin",
    "LitGAN",
    "LitModel",
    "NTKMonitor",
    "NonFiniteError",
    "RunFolder",
    "Summary",
    "check_attack",
    "coordinate_check",
    "evaluate",
    "evaluate_attacked",
    "load_checkpoint",
    "load_run",
    "train",
]

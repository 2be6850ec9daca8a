"""Lightning meets the rest: the module, the kernel callback, the loggers and the run folder."""

from hpnets.training.errors import Interrupted, NonFiniteError
from hpnets.training.evaluate import evaluate
from hpnets.training.lit import LitModel
from hpnets.training.lit_gan import LitGAN
from hpnets.training.ntk_monitor import NTKMonitor
from hpnets.training.run import Summary, train
from hpnets.training.run_folder import RunFolder, load_run

__all__ = [
    "Interrupted",
    "LitGAN",
    "LitModel",
    "NTKMonitor",
    "NonFiniteError",
    "RunFolder",
    "Summary",
    "evaluate",
    "load_run",
    "train",
]

"""The metrics of eigenvalues and of motion once more, of the kernel without the mean direction: centred_<name>."""

from hpnets.ntk.metrics.measurement import METRICS, Measurement, register_metric

# `alignment` is of the centred kernel already, and elasticities are of single entries.
HAVE_CENTRED_FORM = (
    *("drift", "cosine_drift", "polar_angle", "velocity", "norm", "trace", "lambda_max", "lambda_min", "condition"),
    *("effective_rank", "stable_rank", "top_20_mass"),
    *("decay_exponent", "decay_window_start", "decay_window_stop", "decay_r_squared"),
)


def _register(name: str) -> None:
    @register_metric(f"centred_{name}", by_default=False)
    def value(m: Measurement) -> float:
        return METRICS[name].value(m.centred)


for _name in HAVE_CENTRED_FORM:
    _register(_name)

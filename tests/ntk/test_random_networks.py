"""Kernels of networks drawn at random, by the engine's algorithms, against the oracle."""

import copy
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from torch import Tensor

from hpnets.ntk import UnprovenWarning, ntk
from tests.device import DEVICE
from tests.ntk.odd_truth import selections, with_least_memory
from tests.ntk.oracle import dense_kernel, select
from tests.random_networks import RandomNetwork, networks
from tests.random_networks.network import OUTPUTS

SELECTIONS = selections(OUTPUTS)
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
QUESTIONS = {
    "net": networks(),
    "samples": st.sampled_from([3, 2, 5, 7]),
    "others": st.sampled_from([0, 1, 4]),
    "selection": st.sampled_from(list(SELECTIONS)),
    "algorithm": st.sampled_from(["structured", "auto", "jacobian", "ntkvp"]),
    "times": st.sampled_from([None, 1.0, 2.2]),
}


def check(
    net: RandomNetwork, samples: int, others: int, selection: str, algorithm: str, times: float | None
) -> list[str]:
    """The kernel is the oracle's to rounding: relative to it, or to the kernel of all outputs where terms cancel.

    Returns what the engine warned of.
    """
    note(repr(net))
    torch.manual_seed(1)
    x = torch.randn(samples + others, *net.shape, dtype=torch.float64)
    full = dense_kernel(net, x).to(DEVICE)
    net, x = net.to(DEVICE), x.to(DEVICE)
    x1, x2 = x[:samples], x[samples:] if others else None
    truth = select(full[:samples, samples:] if others else full[:samples, :samples], SELECTIONS[selection])

    def compute(memory: float) -> Tensor:
        return ntk(net, x1, x2, outputs=SELECTIONS[selection], algorithm=algorithm, memory=memory)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnprovenWarning)
        try:
            kernel = compute(2**30) if times is None else with_least_memory(compute, times)
        except ValueError as refusal:
            if "rounding noise" not in str(refusal) or _noise(net, x, full) <= 1e-9 * float(full.norm()):
                raise
            return []
    error = float((kernel - truth).norm())
    assert error <= 1e-9 * float(truth.norm()) + 1e-12 * float(full.norm())
    return [str(warning.message) for warning in caught if warning.category is UnprovenWarning]


def _noise(net: RandomNetwork, x: Tensor, full: Tensor) -> float:
    """How much the kernel depends on the last digits of samples and parameters."""
    near = copy.deepcopy(net)
    with torch.no_grad():
        for p in near.parameters():
            p.mul_(1 + 1e-15 * torch.randn_like(p))
    return float((dense_kernel(near, x * (1 + 1e-15 * torch.randn_like(x))) - full).norm())


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=QUIET, database=None)
@given(**QUESTIONS)
def test_kernel_of_a_random_network(
    net: RandomNetwork, samples: int, others: int, selection: str, algorithm: str, times: float | None
) -> None:
    warned = check(net, samples, others, selection, algorithm, times)
    assert not [text for text in warned if "not autograd's gradient" in text]


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=QUIET, database=None)
@given(**QUESTIONS)
def test_kernels_of_many_random_networks(
    net: RandomNetwork, samples: int, others: int, selection: str, algorithm: str, times: float | None
) -> None:
    # A network whose sizes hide which axis holds the samples may mislead the survey; then the proof finds it out.
    check(net, samples, others, selection, algorithm, times)

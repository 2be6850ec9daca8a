"""Every odd module by every algorithm, in tiles of every kind, for every selection of outputs, against the oracle."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpnets.ntk import ntk
from hpnets.ntk._independence import regrouped
from tests.device import DEVICE
from tests.ntk.odd_truth import EXACT, REFUSED, inputs, kernel, refusal_allowed, selections, with_least_memory
from tests.ntk.oracle import dense_kernel, relative, select
from tests.ntk.snapshot import same, snapshot
from tests.odd_modules import ODD_MODULES

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

ALGORITHMS = ["auto", "structured", "jacobian", "ntkvp", "loop"]
# (output selection, whether x2 holds other rows, times the least budget; None: all that there is).
CASES = [
    ("full", False, None),
    ("full", True, 2.2),
    ("trace", False, 1.0),
    ("sum", True, None),
    ("logits", True, 2.2),
    ("logit", False, 1.0),
    ("matrix", False, None),
]


def cases_of(name: str, algorithm: str) -> list[tuple[str, bool, float | None]]:
    """The first, and some of the others, of which the next module takes the next ones.

    "auto" and "structured" share them, half each; "jacobian" and "ntkvp" take a third; "loop", which is plain, one.
    """
    turn, first, others = EXACT.index(name), CASES[0], CASES[1:]
    start, step = {
        "auto": (turn % 2, 2),
        "structured": ((turn + 1) % 2, 2),
        "jacobian": (turn % 3, 3),
        "ntkvp": ((turn + 1) % 3, 3),
        "loop": (turn % 6, 6),
    }[algorithm]
    return [first, *others[start::step]]


def compute(net: nn.Module, x1: Tensor, x2: Tensor | None, times: float | None, **options: Any) -> Tensor:
    """ntk in as much memory as the case allows."""
    if times is None:
        return ntk(net, x1, x2, **options)
    return with_least_memory(lambda memory: ntk(net, x1, x2, memory=memory, **options), times)


def faults_of(name: str, algorithm: str) -> dict[str, object]:
    """What is wrong in each case: the relative error, or the exception; and whether anything changed by the calls."""
    net, (x1, others) = ODD_MODULES[name].net(), inputs(name)
    faults: dict[str, object] = {}
    outputs, before = selections(kernel(name).shape[2]), snapshot(net)
    for selection, is_other, times in cases_of(name, algorithm):
        case = f"{selection}{' with x2' if is_other else ''}, {times} x the least budget"
        x2 = others.clone() if is_other else None
        try:
            with refusal_allowed(name, algorithm):
                result = compute(net, x1, x2, times, outputs=outputs[selection], algorithm=algorithm)
                error = relative(result, select(kernel(name, is_other), outputs[selection]))
                if not error <= 1e-10:
                    faults[case] = error
        except Exception as error:
            faults[case] = f"{type(error).__name__}: {error}"
    if not same(before, snapshot(net)):
        faults["state"] = "the net is not as before"
    if not torch.equal(x1, inputs(name)[0]):
        faults["x1"] = "the samples are not as before"
    return faults


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", EXACT)
def test_kernel_equals_the_oracle(name: str, algorithm: str) -> None:
    assert not faults_of(name, algorithm)


def test_every_case_is_met_by_every_algorithm() -> None:
    for algorithm in ALGORITHMS:
        assert {case for name in EXACT for case in cases_of(name, algorithm)} == set(CASES)
    assert all({*cases_of(name, "auto"), *cases_of(name, "structured")} == set(CASES) for name in EXACT)


@pytest.mark.parametrize("name", EXACT)
def test_kernel_in_single_precision(name: str) -> None:
    net, (x1, others) = ODD_MODULES[name].net(torch.float32), inputs(name, torch.float32)
    with refusal_allowed(name, "auto"):
        assert relative(ntk(net, x1, outputs="full").double(), kernel(name)) < 1e-5
        trace = compute(net, x1, others, 2.2, outputs="trace").double()
        assert relative(trace, select(kernel(name, True), "trace")) < 1e-5


@pytest.mark.parametrize("name", EXACT)
def test_kernel_of_one_sample(name: str) -> None:
    net, (x1, others) = ODD_MODULES[name].net(), inputs(name)
    with refusal_allowed(name, "auto"):
        assert relative(ntk(net, x1[-1:], outputs="full"), kernel(name)[-1:, -1:]) < 1e-10
        assert relative(ntk(net, x1[-1:], others[:1], outputs="full"), kernel(name, True)[-1:, :1]) < 1e-10


@pytest.mark.parametrize("name", EXACT)
def test_kernel_at_other_parameters(name: str) -> None:
    net, other, (x, _) = ODD_MODULES[name].net(), ODD_MODULES[name].net(device="cpu"), inputs(name)
    with torch.no_grad():
        for p in filter(lambda p: p.requires_grad, other.parameters()):
            p.mul_(1.1).add_(0.05)
    values = {key: p.detach().to(DEVICE, copy=True) for key, p in other.named_parameters() if p.requires_grad}
    truth = select(dense_kernel(other, x.to("cpu", copy=True)), "trace").to(DEVICE)
    before = snapshot(net)
    with refusal_allowed(name, "params"):
        assert relative(ntk(net, x, outputs="trace", params=values), truth) < 1e-10
    assert same(before, snapshot(net))


# What the first two samples, or the first call, cannot show.
HIDDEN = {"MixedUnitsLater", "RaggedTokens", "StateOfAnotherObject"}


@pytest.mark.parametrize("name", [name for name in EXACT if not ODD_MODULES[name].wrong_guess and name not in HIDDEN])
def test_without_a_proof_two_samples_suffice(name: str) -> None:
    net, (x, _) = ODD_MODULES[name].net(), inputs(name)
    assert relative(ntk(net, x, outputs="full", verify="off"), kernel(name)) <= 1e-10


@pytest.mark.parametrize("name", [name for name in EXACT if ODD_MODULES[name].wrong_guess])
def test_a_wrong_guess_is_said_and_named(name: str) -> None:
    with pytest.warns(UserWarning, match=re.escape(ODD_MODULES[name].wrong_guess or "")):
        ntk(ODD_MODULES[name].net(), inputs(name)[0], outputs="full", algorithm="structured")


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_kernel_is_refused_and_left_as_it_was(name: str) -> None:
    module = ODD_MODULES[name]
    net, (x1, others) = module.net(), inputs(name)
    before = snapshot(net)
    for algorithm in ALGORITHMS:
        with pytest.raises(ValueError, match=module.refused):
            ntk(net, x1, outputs="full", algorithm=algorithm)
        with pytest.raises(ValueError, match=module.refused):
            ntk(net, x1, others, outputs="trace", algorithm=algorithm)
    assert same(before, snapshot(net))


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_kernel_is_refused_in_tiles_of_few_samples(name: str) -> None:
    module = ODD_MODULES[name]
    net, (x, _) = module.net(), inputs(name)
    for algorithm in ("auto", "jacobian"):
        with pytest.raises(ValueError, match=module.refused):
            with_least_memory(lambda memory: ntk(net, x, outputs="full", memory=memory, algorithm=algorithm))  # noqa: B023


@pytest.mark.parametrize("name", ["OpenSamples", "WeightedByTheLargest", "CoupledGradients"])
def test_a_lone_sample_is_looked_at_beside_another(name: str) -> None:
    module = ODD_MODULES[name]
    net, (x, _) = module.net(), inputs(name)
    for i in range(len(x)):
        rest = torch.cat([x[:i], x[i + 1 :]])
        for rows, columns in ((x[i : i + 1], rest), (rest, x[i : i + 1]), (x[i : i + 1], x)):
            with pytest.raises(ValueError, match=module.refused):
                ntk(net, rows, columns, outputs="full", algorithm=ALGORITHMS[i % len(ALGORITHMS)])


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_coupling_among_few_samples_is_seen(n: int) -> None:
    module = ODD_MODULES["WeightedByTheLargest"]
    for seed in range(3):
        torch.manual_seed(seed)
        x = torch.randn(n, *module.shape, dtype=torch.float64).to(DEVICE)
        for algorithm in ALGORITHMS:
            with pytest.raises(ValueError, match=module.refused):
                ntk(module.net(), x, outputs="full", algorithm=algorithm)


@pytest.mark.parametrize(
    ("n", "most"), [(1, None), (2, None), (3, 2), (5, 2), (6, None), (7, 7), (9, 2), (9, 9), (24, 5)]
)
@pytest.mark.parametrize("run", [None, 4])
def test_rows_are_looked_at_once_and_beside_others(n: int, most: int | None, run: int | None) -> None:
    batches = regrouped(n, torch.device("cpu"), most, run)
    assert torch.cat([rows[others:] for rows, others in batches]).sort().values.tolist() == list(range(n))
    assert all(len(rows) >= 2 for rows, _ in batches)
    length = run or most or n
    runs = {frozenset(range(start, min(start + length, n))) for start in range(0, n, length)}
    pairs = {frozenset({2 * i, 2 * i + 1}) for i in range(n // 2)}
    together = [(frozenset(rows.tolist()), set(rows[others:].tolist())) for rows, others in batches]
    for own in runs:  # some of its rows are looked at beside others
        assert len(own) == 1 or any(seen & own and batch != own for batch, seen in together)
    if n >= 6 and len(batches) > 1:  # what a loop of autograd runs together is parted
        assert not any(pair <= batch for pair in pairs for batch, _ in together)
    assert len(batches) > 1 or n == 1 or (run is not None and 2 * run <= n <= (most or n))

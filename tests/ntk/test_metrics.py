"""Metrics of kernels with known values, their invariances, and the table by name."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hpnets.linalg import spectrum
from hpnets.ntk import metrics, ntk
from hpnets.ntk.metrics import METRICS, Measurement, measure, measurement
from tests.linalg.oracles import power_law, with_eigenvalues


def psd(seed: int, n: int = 12) -> Tensor:
    return with_eigenvalues(power_law(n, 1.0) * (1 + seed), seed)


# --- motion


def test_drift_and_distance_against_numpy() -> None:
    a, b = psd(0), psd(1)
    x, y = a.numpy(), b.numpy()
    cosine = np.sum(x * y) / np.linalg.norm(x) / np.linalg.norm(y)
    assert metrics.relative_drift(a, b) == pytest.approx(np.linalg.norm(x - y) / np.linalg.norm(y))
    assert metrics.distance(a, b) == pytest.approx(1 - cosine)
    assert metrics.velocity(a, b, 4) == pytest.approx((1 - cosine) / 4)
    assert metrics.polar_angle(a, b) == pytest.approx(math.acos(cosine))


def test_motion_of_kernels_with_known_distances() -> None:
    k, e = torch.eye(3), torch.diag(torch.tensor([1.0, 0, 0]))
    assert metrics.distance(k, e) == pytest.approx(1 - 1 / math.sqrt(3))
    assert metrics.distance(k, -k) == pytest.approx(2)
    assert metrics.relative_drift(3 * k, k) == pytest.approx(2)
    assert metrics.polar_angle(e, torch.diag(torch.tensor([0, 1.0, 0]))) == pytest.approx(math.pi / 2)
    assert metrics.polar_radius(1.25 * k, k, 2 * k) == pytest.approx(0.25)


def test_a_tiny_move_keeps_its_digits() -> None:
    """1 - cosine would be 0 or rounding here; the move is orthogonal to K, so that distance is 1e-20 / 2."""
    k, move = torch.diag(torch.tensor([1.0, 0.0])).double(), torch.diag(torch.tensor([0.0, 1e-10])).double()
    assert metrics.distance(k + move, k) == pytest.approx(0.5e-20, rel=1e-6)
    assert metrics.polar_angle(k + move, k) == pytest.approx(1e-10, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100), scale=st.floats(1e-3, 1e3))
def test_distance_is_blind_to_scale_and_rotation_and_drift_to_rotation(seed: int, scale: float) -> None:
    a, b = psd(seed), psd(seed + 1)
    q = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64))[0]
    assert metrics.distance(scale * a, b) == pytest.approx(metrics.distance(a, b), rel=1e-9)
    assert metrics.distance(q @ a @ q.T, q @ b @ q.T) == pytest.approx(metrics.distance(a, b), rel=1e-9)
    assert metrics.relative_drift(q @ a @ q.T, q @ b @ q.T) == pytest.approx(metrics.relative_drift(a, b), rel=1e-9)
    assert 0 <= metrics.polar_angle(a, b) <= math.pi / 2


# --- eigenvalues


def test_ranks_of_identity_and_rank_one() -> None:
    for rank in (metrics.effective_rank, metrics.stable_rank):
        assert rank(torch.ones(7)) == pytest.approx(7)
        assert rank(torch.tensor([4.0, 0, 0])) == pytest.approx(1)
    assert metrics.effective_rank(torch.tensor([1.0, 1.0, -1e-9])) == pytest.approx(2)


def test_ranks_against_their_formulas() -> None:
    l = [3.0, 2.0, 1.0]
    entropy = -sum(a / 6 * math.log(a / 6) for a in l)
    assert metrics.effective_rank(torch.tensor(l)) == pytest.approx(math.exp(entropy))
    assert metrics.stable_rank(torch.tensor(l)) == pytest.approx(14 / 9)
    assert metrics.top_k_mass(torch.tensor(l), 2) == pytest.approx(13 / 14)
    assert metrics.top_k_mass(torch.tensor(l), 3) == pytest.approx(1)


def test_stable_rank_and_top_mass_are_those_of_the_matrix() -> None:
    k = psd(3)
    l = spectrum(k).eigenvalues
    assert metrics.stable_rank(l) == pytest.approx(float(k.norm() ** 2 / torch.linalg.matrix_norm(k, 2) ** 2))
    best = torch.linalg.svd(k)
    low = (best.U[:, :4] * best.S[:4]) @ best.Vh[:4]
    assert metrics.top_k_mass(l, 4) == pytest.approx(float(low.norm() ** 2 / k.norm() ** 2))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_ranks_masses_condition_and_exponent_are_blind_to_scale(scale: float) -> None:
    l = power_law(40, 1.3)
    for f in (metrics.effective_rank, metrics.stable_rank):
        assert f(scale * l) == pytest.approx(f(l))
    assert metrics.top_k_mass(scale * l, 5) == pytest.approx(metrics.top_k_mass(l, 5))
    assert metrics.condition(scale * l, scale * 1e-12) == pytest.approx(40**1.3)
    assert metrics.decay_exponent(scale * l, 0.0).exponent == pytest.approx(1.3)


def test_condition_stops_at_the_floor() -> None:
    l = torch.tensor([10.0, 1.0, -1e-12])
    assert metrics.condition(l, 1e-3) == pytest.approx(1e4)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.5])
def test_decay_recovers_the_exponent_of_a_power_law(exponent: float) -> None:
    fit = metrics.decay_exponent(power_law(400, exponent), 0.0)
    assert fit.exponent == pytest.approx(exponent)
    assert fit.r_squared == pytest.approx(1)
    assert (fit.start, fit.stop) == (20, 200)


def test_decay_of_another_law_says_so() -> None:
    fit = metrics.decay_exponent(torch.exp(-torch.arange(400).double() / 20), 0.0)
    assert fit.r_squared < 0.95


def test_the_decay_window_is_cut_at_the_floor() -> None:
    l = power_law(100, 2.0)
    l[30:] = 1e-14
    fit = metrics.decay_exponent(l, 1e-10, window=(3, 60))
    assert (fit.start, fit.stop) == (3, 30)
    assert fit.exponent == pytest.approx(2)
    assert math.isnan(metrics.decay_exponent(l, 1.0).exponent)


def test_extremes_and_the_rank_guard() -> None:
    j = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wide, tall = spectrum(j.T @ j), spectrum(j @ j.T)
    fine = metrics.lambda_extremes(wide, rank_bound=8)
    assert (fine.largest, fine.smallest) == pytest.approx(tuple(np.linalg.eigvalsh((j.T @ j).numpy())[[-1, 0]]))
    assert not fine.singular
    assert not fine.noise
    with pytest.warns(UserWarning, match="8 rows but rank at most 5: lambda_min is 0 by counting"):
        singular = metrics.lambda_extremes(tall, rank_bound=5)
    assert singular.singular
    assert singular.noise
    with pytest.raises(ValueError, match="holds 3 of 8 eigenvalues; allowed: all"):
        metrics.lambda_extremes(spectrum(j @ j.T, 3), rank_bound=5)


# --- labels


def test_centred_alignment_of_targets_with_themselves_and_with_nothing() -> None:
    y = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1, 2])).double()
    assert metrics.centred_alignment(y @ y.T, y) == pytest.approx(1)
    assert metrics.centred_alignment(y @ y.T + 7, y) == pytest.approx(1), "a constant is centred away"
    assert metrics.centred_alignment(torch.ones(5, 5), y) == 0


def test_centred_alignment_against_explicit_projections() -> None:
    k, y = psd(2, 9), torch.randn(9, 2, dtype=torch.float64)
    h = np.eye(9) - np.ones((9, 9)) / 9
    a, b = h @ k.numpy() @ h, h @ (y @ y.T).numpy() @ h
    expected = np.trace(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)
    assert metrics.centred_alignment(k, y) == pytest.approx(expected)
    full = torch.einsum("nm,op->nmop", k, torch.eye(3).double())
    assert metrics.centred_alignment(full, y) == pytest.approx(expected)


def test_local_elasticity_of_known_kernels() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = (labels[:, None] == labels).double()
    assert metrics.local_elasticity(apart, labels) == pytest.approx(1)
    assert metrics.local_elasticity(torch.ones(4, 4), labels) == pytest.approx(0.5)
    assert metrics.local_elasticity(0.5 * apart + 0.5, labels) == pytest.approx(1 / 1.5)


def test_local_elasticity_against_loops_and_blind_to_the_size_of_each_sample() -> None:
    labels = torch.tensor([0, 1, 2] * 4)
    g = torch.rand(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    k = g @ g.T
    pairs: dict[bool, list[float]] = {True: [], False: []}
    for i in range(12):
        for j in range(12):
            if i != j:
                pairs[bool(labels[i] == labels[j])].append(float(k[i, j] / (k[i, i] * k[j, j]).sqrt()))
    same, different = np.mean(pairs[True]), np.mean(pairs[False])
    assert metrics.local_elasticity(k, labels) == pytest.approx(same / (same + different))
    sizes = torch.rand(12, dtype=torch.float64) + 0.1
    assert metrics.local_elasticity(sizes[:, None] * k * sizes, labels) == pytest.approx(same / (same + different))


def test_elasticity_beyond_one_gives_both_parts() -> None:
    """Classes that push each other away: the ratio is no share then, and has a pole at s + d = 0."""
    labels = torch.tensor([0, 0, 1, 1])
    same = (labels[:, None] == labels).double()
    e = metrics.elasticity(2 * same - 0.5 * (1 - same), labels)
    assert (e.same, e.different) == pytest.approx((1, -0.25))
    assert e.ratio == metrics.local_elasticity(2 * same - 0.5 * (1 - same), labels) == pytest.approx(1 / 0.75)
    assert math.isnan(metrics.elasticity(2 * same - 1, labels).ratio)


# --- steps

torch.manual_seed(0)
NET = torch.nn.Sequential(torch.nn.Linear(4, 20), torch.nn.Tanh(), torch.nn.Linear(20, 3)).double().eval()
POINTS = torch.randn(12, 4, dtype=torch.float64)
CLASSES = torch.arange(12) % 3


def test_step_elasticity_against_an_optimiser() -> None:
    """Copies of the network that take the step by SGD, at the rate that the docstring gives."""
    changes = torch.zeros(12, 12, dtype=torch.float64)
    for i in range(12):
        net = copy.deepcopy(NET)
        f = net(POINTS[i : i + 1])
        loss = torch.nn.functional.cross_entropy(f, CLASSES[i : i + 1])
        (r,) = torch.autograd.grad(loss, f, retain_graph=True)
        loss.backward()
        size = sum(float(p.grad.square().sum()) for p in net.parameters() if p.grad is not None)
        torch.optim.SGD(net.parameters(), 0.3 * float(r.square().sum()) / size).step()
        changes[i] = (net(POINTS) - NET(POINTS)).norm(dim=1).detach()
    S, same = changes / changes.diagonal()[:, None], CLASSES[:, None] == CLASSES
    pair = ~torch.eye(12, dtype=torch.bool)
    e = metrics.step_elasticity(NET, POINTS, CLASSES, share=0.3)
    assert (e.same, e.different) == pytest.approx((float(S[same & pair].mean()), float(S[~same].mean())))


def test_a_small_step_of_one_output_is_the_kernel_and_only_the_named_parameters_step() -> None:
    net = torch.nn.Sequential(NET[:2], torch.nn.Linear(20, 1).double()).eval()
    for names in ((), ("1.weight", "1.bias")):
        params = {name: p.detach() for name, p in net.named_parameters() if name in names} or None
        K = ntk(net, POINTS, outputs=0, params=params).abs()
        expected = metrics.elasticity(K, CLASSES % 2)  # of K_ij / sqrt(K_ii K_jj), where a step gives K_ij / K_ii
        S = K / K.diagonal()[:, None]
        same, pair = CLASSES[:, None] % 2 == CLASSES % 2, ~torch.eye(12, dtype=torch.bool)
        e = metrics.step_elasticity(net, POINTS, CLASSES % 2, share=1e-7, params=params)
        assert (e.same, e.different) == pytest.approx((float(S[same & pair].mean()), float(S[~same].mean())), rel=1e-5)
        assert e.same != pytest.approx(expected.same, rel=1e-3)


# --- by name


def track(**changes: object) -> Measurement:
    fields = {"k_t": psd(1), "k_0": psd(0), "k_last": psd(2), "steps": 5, "spectrum": spectrum(psd(1))}
    targets = torch.nn.functional.one_hot(torch.arange(12) % 3)
    fields |= {"rank_bound": 100, "targets": targets, "net": NET, "x": POINTS}
    return Measurement(**(fields | changes))


def test_every_name_gives_the_number_of_its_function() -> None:
    t = track()
    result = measure(t, METRICS)
    assert all(isinstance(v, float | int) and math.isfinite(v) for v in result.values())
    assert result["drift"] == metrics.relative_drift(t.k_t, t.k_0)
    assert result["cosine_drift"] == metrics.distance(t.k_t, t.k_0)
    assert result["velocity"] == metrics.velocity(t.k_t, t.k_last, 5)
    assert result["trace"] == pytest.approx(float(t.k_t.trace()))
    assert result["norm"] == pytest.approx(float(t.k_t.norm()))
    assert result["lambda_max"] == pytest.approx(2)
    assert result["lambda_min"] == pytest.approx(2 / 12)
    assert result["condition"] == pytest.approx(12)
    assert result["alignment"] == metrics.centred_alignment(t.k_t, t.targets)
    assert result["local_elasticity"] == metrics.local_elasticity(t.k_t, torch.arange(12) % 3)
    assert result["decay_exponent"] == pytest.approx(1)
    assert (result["decay_window_start"], result["decay_window_stop"]) == (2, 6)
    assert result["top_20_mass"] == pytest.approx(1)
    e, step = metrics.elasticity(t.k_t, CLASSES), metrics.step_elasticity(NET, POINTS, CLASSES)
    assert (result["local_elasticity_same"], result["local_elasticity_different"]) == (e.same, e.different)
    steps = [result[f"step_elasticity{part}"] for part in ("", "_same", "_different")]
    assert steps == [step.ratio, step.same, step.different]


def test_centred_metrics_are_those_of_hkh() -> None:
    """By an explicit projection, whose eigenvalue 0 of the mean direction is left out."""
    h = torch.eye(12, dtype=torch.float64) - 1 / 12
    mean = 50 * torch.ones(12, 12, dtype=torch.float64)
    a, b, c = (h @ psd(seed) @ h for seed in (1, 0, 2))
    t = track(**{name: psd(seed) + mean for name, seed in (("k_t", 1), ("k_0", 0), ("k_last", 2))})
    l = torch.linalg.eigvalsh(a).flip(0)[:-1]
    centred = {
        name.removeprefix("centred_"): value for name, value in measure(t, METRICS).items() if "centred_" in name
    }
    assert centred["drift"] == pytest.approx(metrics.relative_drift(a, b))
    assert centred["cosine_drift"] == pytest.approx(metrics.distance(a, b))
    assert centred["velocity"] == pytest.approx(metrics.velocity(a, c, 5))
    assert (centred["norm"], centred["trace"]) == pytest.approx((float(a.norm()), float(a.trace())))
    assert (centred["lambda_max"], centred["lambda_min"]) == pytest.approx((float(l[0]), float(l[-1])))
    assert centred["condition"] == pytest.approx(float(l[0] / l[-1]))
    assert centred["effective_rank"] == pytest.approx(metrics.effective_rank(l))
    assert centred["stable_rank"] == pytest.approx(metrics.stable_rank(l))
    assert centred["decay_exponent"] == pytest.approx(metrics.decay_exponent(l, 0.0).exponent)
    full = torch.einsum("nm,op->nmop", psd(1) + mean, torch.eye(2).double())
    torch.testing.assert_close(metrics.centred_kernel(full)[..., 1, 1], metrics.centred_kernel(psd(1)))


def test_what_is_measured_by_default_stays() -> None:
    names = metrics.available_metrics(torch.nn.functional.one_hot(CLASSES))
    assert not [
        name for name in names if name.startswith(("centred_", "step_")) or name.endswith(("same", "different"))
    ]
    assert "local_elasticity" in names
    assert metrics.check_possible(["step_elasticity"], torch.nn.functional.one_hot(CLASSES)) == ["step_elasticity"]
    for targets in (None, torch.ones(12, 1)):
        with pytest.raises(ValueError, match="metrics has 'step_elasticity', which compare with targets: th"):
            metrics.check_possible(["trace", "step_elasticity"], targets)


def test_the_names_in_the_logs_are_there() -> None:
    logged = "drift cosine_drift velocity trace lambda_max lambda_min condition effective_rank alignment decay_exponent"
    assert {*logged.split(), "decay_window_start", "decay_window_stop"} <= METRICS.keys()


def test_a_metric_registers_with_what_it_reads_and_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "METRICS", dict(METRICS))
    monkeypatch.setattr(measurement._METRICS, "_entries", measurement.METRICS)

    @metrics.register_metric("first_label", lambda m: (m.y, 2.0), abs, lambda targets: targets is not None)
    def scaled(y: Tensor, factor: float) -> float:
        return -factor * float(y[0, 0])

    assert scaled(torch.ones(1, 1), 3.0) == -3
    assert measure(track(), ["first_label"]) == {"first_label": 2.0}
    assert "first_label" in metrics.available_metrics(torch.ones(12, 1))
    assert "first_label" not in metrics.available_metrics(None)
    with pytest.raises(ValueError, match="metric 'drift' is registered already"):
        metrics.register_metric("drift")(lambda m: 0.0)


def test_the_first_measurement_has_no_velocity() -> None:
    assert math.isnan(measure(track(k_last=None, steps=0), ["velocity"])["velocity"])


def test_measure_refuses_what_it_cannot_know() -> None:
    with pytest.raises(ValueError, match="metrics has 'drfit'; allowed: drift, cosine_drift"):
        measure(track(), ["trace", "drfit"])
    with pytest.raises(ValueError, match="targets is None"):
        measure(track(targets=None), ["alignment"])
    with pytest.raises(ValueError, match="holds 3 of 12 eigenvalues"):
        measure(track(spectrum=spectrum(psd(1), 3)), ["trace"])
    with pytest.warns(UserWarning, match="12 rows but rank at most 11"):
        measure(track(rank_bound=11), ["lambda_min"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.velocity(psd(0), psd(1), 0), "steps is 0; allowed: >= 1"),
        (lambda: metrics.distance(psd(0), psd(0, 5)), r"shapes \(12, 12\) and \(5, 5\); allowed: equal"),
        (lambda: metrics.relative_drift(torch.ones(2, 2), torch.ones(2, 2, 1, 1)), "allowed: equal shapes"),
        (lambda: metrics.polar_radius(psd(1), psd(0), psd(0)), "k_end equals k_0; allowed: a kernel that moved"),
        (lambda: metrics.top_k_mass(torch.ones(3), 4), "k is 4; allowed: 1 to 3"),
        (lambda: metrics.decay_exponent(torch.ones(9), 0.0, (5, 12)), r"window is \(5, 12\); allowed"),
        (
            lambda: metrics.centred_alignment(psd(0), torch.ones(5, 2)),
            r"targets has shape \(5, 2\); allowed: \(12, O\)",
        ),
        (lambda: metrics.local_elasticity(psd(0), torch.zeros(12)), r"labels is torch.float32 of shape \(12,\)"),
        (lambda: metrics.centred_kernel(torch.ones(1, 1)), "the kernel has 1 samples; allowed: >= 2"),
        (lambda: metrics.step_elasticity(NET, POINTS, CLASSES, share=0.0), "share is 0.0; allowed: > 0"),
        (lambda: metrics.step_elasticity(NET, POINTS, CLASSES + 1), "1 to 3; allowed: integers .* 0 to 2, classes of"),
        (lambda: metrics.step_elasticity(NET, POINTS, CLASSES.double()), "labels is torch.float64 of shape"),
        (lambda: measure(track(net=None), ["step_elasticity"]), "net is None; allowed: the network"),
        (lambda: metrics.local_elasticity(psd(0), torch.zeros(12, dtype=torch.long)), "no pair of one class, or none"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()

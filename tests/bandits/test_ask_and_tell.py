"""Ask and tell, the baselines, and the objectives."""

import math

import pytest
import torch
from torch import Tensor

from hpnets.bandits import GPUCB, STOBNTS, Box, GPThompson, RandomSearch, confidence_width
from hpnets.bandits import objectives as of
from hpnets.kernels import GaussianProcess
from hpnets.models import create_model

POINTS = of.sphere_points(40, 3, 0)


def rbf(a: Tensor, b: Tensor) -> Tensor:
    return torch.exp(-torch.cdist(a.double(), b.double()).square() / 2)


def observed(opt: GPUCB | GPThompson, x: Tensor = POINTS[:5]) -> GPUCB | GPThompson:
    opt.observe(x, x.sum(1))
    return opt


def test_the_upper_confidence_bound() -> None:
    opt = observed(GPUCB(rbf, 0.1, beta=2.0))
    at = GaussianProcess(rbf, POINTS[:5].sum(1, keepdim=True), POINTS[:5], noise=0.1).predict(POINTS)
    bound = at.mean[:, 0] + 2 * at.deviation
    assert torch.equal(opt.propose(POINTS), POINTS[bound.argmax()][None])
    # The second of a batch is the best with the first one's mean taken as seen.
    first = POINTS[bound.argmax()][None]
    seen = torch.cat([POINTS[:5], first]), torch.cat([POINTS[:5].sum(1).double(), at.mean[bound.argmax()]])
    again = GaussianProcess(rbf, seen[1][:, None], seen[0], noise=0.1).predict(POINTS)
    second = POINTS[(again.mean[:, 0] + 2 * again.deviation).argmax()]
    torch.testing.assert_close(opt.propose(POINTS, 2), torch.stack([first[0], second]))


def test_beta_of_the_theorem() -> None:
    K = rbf(POINTS[:6], POINTS[:6])
    gamma = 0.5 * float(torch.linalg.slogdet(torch.eye(6) + K / 0.04).logabsdet)
    truth = 3 + 0.2 * math.sqrt(2 * (gamma + 1 + math.log(20)))
    assert confidence_width(K, 0.2, bound=3, delta=0.05) == pytest.approx(truth, rel=1e-12)
    by_itself, told = (observed(GPUCB(rbf, 0.2, beta=b), POINTS[:6]) for b in (None, confidence_width(K, 0.2)))
    assert torch.equal(by_itself.propose(POINTS, 3), told.propose(POINTS, 3))


def test_without_noise_the_bound_needs_a_width() -> None:
    with pytest.raises(ValueError, match=r"beta is None with noise 0, .* allowed: a number, or noise > 0"):
        GPUCB(rbf, 0.0)
    x = observed(GPUCB(rbf, 0.0, beta=10.0)).propose(POINTS, 3)
    assert len(torch.cat([x, POINTS[:5]]).unique(dim=0)) == 8  # what is known exactly is not proposed again


def test_thompson_sampling_proposes_by_the_chance_to_be_best() -> None:
    opt = observed(GPThompson(rbf, 0.1))
    draws = GaussianProcess(rbf, POINTS[:5].sum(1, keepdim=True), POINTS[:5], noise=0.1).predict(POINTS).samples(4000)
    chance = draws.values[:, :, 0].argmax(1).bincount(minlength=40) / 4000
    seen = (opt.propose(POINTS, 4000)[:, None] == POINTS).all(-1).int().argmax(1).bincount(minlength=40) / 4000
    assert float((seen - chance).abs().max()) < 0.05


def test_noise_averages_an_x_that_is_observed_twice() -> None:
    twice = observed(GPThompson(rbf, 0.3), torch.cat([POINTS[:3], POINTS[:1]]))
    x, y = twice.x, twice.y
    assert x is not None
    y = y + torch.tensor([0.0, 0, 0, 1])
    both = GaussianProcess(rbf, y[:, None], x, noise=0.3).predict(POINTS)
    mean = torch.cat([(y[:1] + y[3:]) / 2, y[1:3]])
    K = rbf(x[:3], x[:3]) + torch.diag(torch.tensor([0.045, 0.09, 0.09]))
    torch.testing.assert_close(both.mean[:, 0], rbf(POINTS, x[:3]) @ torch.linalg.solve(K, mean))


def test_without_repeats_every_candidate_comes_once() -> None:
    for opt in (RandomSearch(repeats=False), GPThompson(rbf, 0.1, repeats=False), GPUCB(rbf, 0.1, repeats=False)):
        for _ in range(4):
            x = opt.propose(POINTS, 10)
            opt.observe(x, x.sum(1))
        assert opt.x is not None
        assert len(opt.x.unique(dim=0)) == 40
        with pytest.raises(ValueError, match="candidates has 0 of 40 not yet observed; allowed: at least 1: a smaller"):
            opt.propose(POINTS)


def test_a_box() -> None:
    box = Box(torch.tensor([-1.0, 5.0]), torch.tensor([1.0, 6.0]), points=64)
    opt = GPThompson(rbf, 0.1, seed=2)
    x = opt.propose(box, 8)
    assert x.shape == (8, 2)
    assert bool(((x >= box.lower) & (x <= box.upper)).all())
    assert not torch.equal(x, opt.propose(box, 8))
    for lower in (torch.tensor([1.0, 5.0]), torch.tensor([math.nan, 5.0]), torch.tensor([2.0, 5.0])):
        with pytest.raises(ValueError, match=r"the box is .* finite lower < upper in every coordinate"):
            Box(lower, box.upper)
    with pytest.raises(ValueError, match=r"lower has shape \(1,\); allowed: \(d,\), as upper"):
        Box(torch.zeros(1), box.upper)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda o: o.observe(POINTS[:2], torch.tensor([1.0, math.nan])),
            "y is .*nan.*; allowed: finite numbers",
        ),
        (lambda o: o.observe(POINTS[:2] / 0, torch.ones(2)), "x is 'NaN or Inf in places'"),
        (lambda o: o.observe(POINTS[:2], torch.ones(3)), r"y has shape \(3,\); allowed: \(2,\)"),
        (lambda o: o.observe(POINTS[:2, :2], torch.ones(2)), r"x has shape \(2, 2\); allowed: \(at least 1, 3\)"),
        (
            lambda o: o.observe(POINTS[:1], torch.ones(1)),
            "x holds a point twice with noise 0; allowed: each",
        ),
        (lambda o: o.observe(POINTS[[7, 7]], torch.ones(2)), "x holds a point twice with noise 0"),
        (lambda o: o.propose(POINTS[:0]), r"candidates has shape \(0, 3\); allowed: \(at least 1, 3\)"),
        (lambda o: o.propose(POINTS, 0), "batch is 0; allowed: an integer >= 1"),
        (lambda o: o.load_state_dict({"x": None}), r"state is \['x'\]; allowed: the keys"),
    ],
)
def test_bad_calls(call, message: str) -> None:  # type: ignore[no-untyped-def]
    opt = observed(GPThompson(rbf, 0.0))
    with pytest.raises(ValueError, match=message):
        call(opt)


def test_classics_have_their_known_maxima() -> None:
    at = torch.tensor([[(math.pi + 5) / 15, 2.275 / 15], [(9.42478 + 5) / 15, 2.475 / 15]], dtype=torch.float64)
    torch.testing.assert_close(of.branin(at), torch.full((2,), -0.397887, dtype=torch.float64), rtol=0, atol=1e-5)
    best = torch.tensor([[0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]], dtype=torch.float64)
    assert float(of.hartmann6(best)) == pytest.approx(3.32237, abs=1e-5)
    assert float(of.on_box(of.hartmann6, 6, 100, 0).values.std(correction=0)) == pytest.approx(1)


def test_objectives_of_the_other_kinds() -> None:
    svm = of.svm_digits(side=4, train=100, test=50)
    assert svm.candidates.shape == (16, 2)
    assert svm.best > svm.values.median() + 0.3
    labels = torch.arange(60) % 3
    images = torch.rand(60, 1, 4, 4) + labels[:, None, None, None]
    pool = of.images_by_class(images, labels, 0)
    torch.testing.assert_close(pool.candidates.flatten(1).norm(dim=1), torch.ones(60))
    means = torch.stack([pool.values[labels == k].mean() for k in range(3)])
    assert float(means.std()) > float(pool.values[labels == 0].std())
    assert float(pool.at(pool.candidates[7:8])) == float(pool.values[7])
    draw = of.kernel_draw(rbf, POINTS, 0)
    assert draw.values.shape == (40,)
    with pytest.raises(ValueError, match="candidates of the objective"):
        draw.at(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="values that differ"):
        of.standardised(POINTS, torch.ones(40))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_interactions(share: float) -> None:
    """What one-hot features of single variables explain of f over all combinations is 1 - share."""
    f = of.categorical(4, 3, 81, share, 0)
    x = f.candidates.double()
    fitted = x @ torch.linalg.lstsq(x, f.values[:, None], driver="gelsd").solution
    assert float(fitted.var(correction=0)) == pytest.approx(1 - share, abs=1e-6)
    with pytest.raises(ValueError, match="count is 82; allowed: 2 to 81"):
        of.categorical(4, 3, 82, share, 0)


def test_the_library_finds_what_random_search_does_not() -> None:
    """On a draw of the kernel of the networks, 15 evaluations of 150 candidates."""
    net = create_model("pnn_skip", input_shape=(3,), output_dim=1, degree=2, width=128)
    points, gained = of.sphere_points(150, 3, 1), []
    for opt in (STOBNTS(lambda: net.__class__((3,), 1, degree=2, width=128), 0.1), RandomSearch()):
        objective = of.kernel_draw(rbf, points, 3)
        for _ in range(15):
            x = opt.propose(points)
            opt.observe(x, objective.at(x))
        gained.append(float(opt.y[-5:].mean()))
    assert gained[0] > gained[1] + 0.5


def test_an_optimiser_of_the_objectives_seed_does_not_sample_it() -> None:
    """The first draw of the prior would be the objective if both came from generators of one seed."""
    for seed in range(6):
        objective = of.kernel_draw(rbf, POINTS, seed)
        opt = observed(GPThompson(rbf, 1e3, seed=seed))  # so noisy that observations tell nothing
        both = torch.stack([opt.scores(POINTS, 1)[0].double(), objective.values])
        assert abs(float(torch.corrcoef(both)[0, 1])) < 0.95

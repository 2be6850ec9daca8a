"""Networks trained on a ring of the plane without a sector: what they do farther out, in all directions."""

import math
from functools import partial
from typing import Any

import torch

from hpnets.papers.parts.ensembles import Make, fit_in_units, make_ensemble
from hpnets.statistics import spreads
from hpnets.study import Figure, Picture, Results
from hpnets.study.charts import categories
from hpnets.tasks.held_out import ring
from hpnets.tasks.targets import TARGETS

TEXT = """Trained on the ring 1/2 <= |x| <= 1 of the plane without a sector, tested at |x| = 2: relative error in the \
directions seen / not seen (with nothing missing, the second is that of a quarter of the circle)."""
TITLE = "Trained on a ring without a sector, tested at |x| = 2; a point a seed"
WORDS = {"missing": "not seen", "covered": "seen"}
Missing = dict[int, Results]


def fit_ring(
    make: Make, target: str, missing: int, seeds: list[int], points: int, steps: int, device: str
) -> dict[str, list[float]]:
    """Train on the ring 1/2 <= |x| <= 1 of the plane without a sector of `missing` degrees; test at |x| = 2.

    "covered", "missing": the error of each seed in the directions seen and not seen, as RMSE / standard deviation of y
    on the whole circle (for missing = 0 the second is that of the directions within 45 degrees of the axis).
    """
    function = TARGETS[target].function
    x = torch.stack([ring(points, missing, seed) for seed in seeds]).to(device)
    angle = torch.linspace(0, 2 * math.pi, 361)[:-1]
    test = 2 * torch.stack([angle.cos(), angle.sin()], 1).to(device)
    y, y_test = torch.stack([function(row) for row in x]), function(test)
    f = fit_in_units(make_ensemble(make, seeds, device), x, y, centred=False, steps=steps, lr=0.01)
    error = (f(test.expand(len(seeds), -1, -1)) - y_test).squeeze(2).square() / y_test.var()
    hidden = torch.cos(angle) > math.cos(math.radians((missing or 90) / 2))
    return {
        "covered": error[:, ~hidden if missing else slice(None)].mean(1).sqrt().tolist(),
        "missing": error[:, hidden].mean(1).sqrt().tolist(),
    }


def ring_figure(results: Results) -> Figure:
    """Of what `fit_ring` measured: a row and axes for each target and network, a column for each missing sector."""
    of = {key: part.split("missing") for key, part in results.split("target", "network").items()}
    rows = [
        (*key, *(spreads(got.one("covered"), got.one("missing")) for got in missing.values()))
        for key, missing in of.items()
    ]
    head = ("target", "network", *(f"{sector} degrees missing" for sector in results.split("missing")))
    picture = Picture("sectors.svg", TITLE, partial(draw_rings, of), 3, math.ceil(len(of) / 3))
    return Figure("Missing directions", TEXT, head, tuple(rows), picture)


def draw_rings(of: dict[tuple[str, str], Missing], axes: list[Any]) -> None:
    """Draw each seed's error in the directions seen and not seen over the missing sector."""
    for a, ((target, net), missing) in zip(axes, of.items(), strict=False):
        for key, style in categories(["missing", "covered"]).items():
            shift = 4 if key == "missing" else -4  # so that points do not hide each other
            points = [(sector + shift, error) for sector, got in missing.items() for error in got.one(key)]
            a.plot(*zip(*points, strict=True), label=f"directions {WORDS[key]}", **style | {"linestyle": ""})
        a.set(title=f"{target}, {net}", xlabel="missing sector, degrees", ylabel="relative error at |x| = 2")
        a.set(yscale="log", ylim=(1e-3, 10), xticks=list(missing))

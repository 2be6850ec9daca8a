"""DCN: its layers by their formulas, ncp_skip as a case of it, and deepctr-torch."""

import json
import os
import subprocess
from typing import Any

import pytest
import torch
from torch import Tensor

from hpnets.models import create_model
from hpnets.models.dcn import Cross, CrossV1
from tests.models.nets import IMAGE, samples, small

PYTHON = "DEEPCTR_PYTHON"  # an environment variable: the interpreter of an environment with deepctr-torch
X = samples(5, (6,), torch.float64)


def net(**options: Any) -> Any:
    torch.manual_seed(0)
    made: Any = create_model("dcn", input_shape=(6,), output_dim=3, width=4, **options).double()
    with torch.no_grad():
        for name, p in made.named_parameters():
            if name.endswith(("b", "bias")):
                p.normal_()
    return made


def test_v2_is_ncp_skip_with_the_identity_for_its_factors() -> None:
    """x_1 = A_1 x * b_1 is x, and all other factors A_n x are x too."""
    ncp = small("ncp_skip", input_shape=IMAGE, degree=4, width=64).double()
    dcn = create_model("dcn", input_shape=IMAGE, output_dim=3, depth=0, degree=4).double()
    with torch.no_grad():
        for A_n in ncp.get_submodule("A").children():
            A_n.get_parameter("weight").copy_(torch.eye(64))
    for layer, S_n in zip(dcn.get_submodule("cross").children(), ncp.get_submodule("S").children(), strict=True):
        layer.get_submodule("W").load_state_dict(S_n.state_dict())
    dcn.get_submodule("C").load_state_dict(ncp.get_submodule("C").state_dict())
    x = samples(dtype=torch.float64)
    torch.testing.assert_close(dcn(x), ncp(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("structure", ["stacked", "parallel"])
@pytest.mark.parametrize("kind", [{"version": "v1"}, {"rank": 2}, {}])
def test_the_layers_are_the_formulas(kind: dict[str, Any], structure: str) -> None:
    made, rows = net(degree=3, structure=structure, **kind), []
    for x in X:
        x_l = x
        for layer in made.cross:
            x_l = one_layer(layer, x, x_l)
        h = x_l if structure == "stacked" else x
        for A_k in made.A:
            h = (A_k.weight @ h + A_k.bias).relu()
        rows.append(made.C.weight @ (h if structure == "stacked" else torch.cat([x_l, h])) + made.C.bias)
    torch.testing.assert_close(made(X), torch.stack(rows), rtol=1e-12, atol=1e-12)


def one_layer(layer: Cross | CrossV1, x: Tensor, x_l: Tensor) -> Tensor:
    if isinstance(layer, CrossV1):
        return x * (layer.w.weight[0] @ x_l) + layer.b + x_l
    W = layer.W.weight if layer.V is None else layer.W.weight @ layer.V.weight
    return x * (W @ x_l + layer.W.bias) + x_l


def test_a_rank_takes_fewer_weights_and_is_v2s() -> None:
    full, low = ([p.numel() for p in net(**kind).cross.parameters()] for kind in ({}, {"rank": 1}))
    assert (sum(full), sum(low)) == (3 * 42, 3 * 18)
    with pytest.raises(ValueError, match="rank is 2; allowed: null with version v1"):
        net(version="v1", rank=2)


DEEPCTR = """
import json, sys, torch
from deepctr_torch.layers import CrossNet
given = json.load(sys.stdin)
net = CrossNet(6, len(given["weights"]), given["kind"])
net.kernels.data.copy_(torch.tensor(given["weights"]).view_as(net.kernels))
net.bias.data.copy_(torch.tensor(given["biases"]).view_as(net.bias))
print(json.dumps(net.double()(torch.tensor(given["x"], dtype=torch.float64)).tolist()))
"""


@pytest.mark.slow
@pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no interpreter with deepctr-torch")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_is_deepctrs(version: str) -> None:
    """Their cross part, in float64 from weights that float32 holds."""
    made, v1 = net(version=version, depth=0).float().double(), version == "v1"
    weights = [(layer.w if v1 else layer.W).weight.tolist() for layer in made.cross]
    biases = [(layer.b if v1 else layer.W.bias).tolist() for layer in made.cross]
    given = {"kind": "vector" if v1 else "matrix", "weights": weights, "biases": biases, "x": X.tolist()}
    command = [os.environ[PYTHON], "-c", DEEPCTR]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True, env=environment)
    theirs = torch.tensor(
        json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[["))), dtype=torch.float64
    )
    torch.testing.assert_close(made.C(theirs), made(X), rtol=1e-12, atol=1e-12)

"""Plain descent of a network that is linear in its parameters, in closed form."""

import torch
from torch import nn

from hpnets.papers.parts.descent import descend_from_start


def test_descent_from_the_start_is_descent_of_what_is_added_to_it() -> None:
    """Of a network that is linear in its parameters: f - f_0 after s steps is (1 - (1 - 2 lr K / n)^s) y."""
    torch.manual_seed(0)
    net, x, y = nn.Linear(3, 1, bias=False).double(), torch.randn(5, 3).double(), torch.randn(5, 1).double()
    seen = descend_from_start(net, x, y, 0.1, 7, [0, 3, 7])
    step = torch.eye(5).double() - 2 * 0.1 * x @ x.T / 5
    expected = [y - torch.linalg.matrix_power(step, s) @ y for s in (0, 3, 7)]
    torch.testing.assert_close(torch.stack(seen), torch.stack(expected))

r"""Nodes of limits with complex features: split activations, and the real parts that a real read-out sees.

Weights are W = A + iB with A and B independent, Gaussian and alike, so that a layer u = W y is proper: E[u u'] = 0, and
one complex number c = E[u conj u'] says all.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from hpnets.theory.activations import Activation, check_gaussian, find_activation
from hpnets.theory.moments import Moments


def split(h: Moments, s: "str | Callable[[Tensor], Tensor]") -> Moments:
    r"""The moments of s(Re u) + i s(Im u) for a complex Gaussian layer u, with c = r + iq its S and t its T.

        S <- 2 F(r) + i (F(q) - F(-q)),   T <- Re t G(r) + i/2 Im t (G(q) + G(-q)),   mean <- (1 + i) E[s]

    F(a) = E[s s'], G(a) = E[ds ds'] of real Gaussians of variances E|u|^2 / 2, E|u'|^2 / 2 and covariance a/2: Re u and
    Re u' have the covariance r/2, as Im u and Im u' have; Im u and Re u' have q/2, Re u and Im u' have -q/2.

    Raises ValueError for an unknown name, features that are not Gaussian, or a quadrature that is not accurate.
    """
    function = find_activation(s)
    if function is None:
        return h
    check_gaussian(h, s)
    v_1, v_2 = (v.real / 2 for v in h.variances)
    S, G, H = _parts(function, h.S, v_1[:, None, :, None], v_2[None, :, None, :])
    S_1, S_2 = (_parts(function, o, v[:, :, None], v[:, None, :])[0] for o, v in ((h.S_1, v_1), (h.S_2, v_2)))
    m_1, m_2 = function.mean(v_1), function.mean(v_2)
    mean = None if m_1 is None or m_2 is None else (torch.complex(m_1, m_1), torch.complex(m_2, m_2))
    return Moments(S, torch.complex(h.T.real * G, h.T.imag * H), S_1, S_2, mean, h.grid, sources=h.sources)


def _parts(s: Activation, c: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The new S, and what Re t and Im t are multiplied by."""
    (F_r, G_r), (F_q, G_q), (F_n, G_n) = (s.dual(a / 2, v, w) for a in (c.real, c.imag, -c.imag))
    return torch.complex(2 * F_r, F_q - F_n), G_r, (G_q + G_n) / 2


def real_parts(h: Moments) -> Moments:
    r"""Complex features y as twice as many real ones, [Re y, Im y]; moments are means over both: Re S / 2, Re T / 2.

    A read-out that weighs both parts alike, f = V [Re y, Im y], sees no more of y than these; one that reads Re y alone
    would see the pseudo-covariance E[y y'] too.
    """
    S, T, S_1, S_2 = (K.real / 2 for K in (h.S, h.T, h.S_1, h.S_2))
    mean = h.mean and (_middle(h.mean[0]), _middle(h.mean[1]))
    return replace(h, S=S, T=T, S_1=S_1, S_2=S_2, mean=mean, gaussian=False, mixed=True)


def _middle(m: Tensor) -> Tensor:
    return (m.real + m.imag) / 2

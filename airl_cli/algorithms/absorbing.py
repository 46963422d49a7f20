"""Episodes that end early: the absorbing state in closed form.

After a terminal state the MDP stays in an absorbing state with a single action, where `log pi` is
0. Kostrikov et al. 2019 (DAC, arXiv 1809.02925) pad episodes with it, so that the discriminator
learns its logit; here that logit is computed, from how often the two sides end.

Let h be a side's hazard, terminal ends per step. After a terminal step, `gamma / (1 - gamma)`
discounted steps are spent in the absorbing state, so the odds of absorbing to living steps are
`o = h gamma / (1 - gamma)`. A discriminator of the living steps alone has the optimum
`f - log pi = log d_E(s, a | living) - log d_G(s, a | living)`. That of all steps is larger by
`b = log (1 + o_G) - log (1 + o_E)`, and in the absorbing state it is
`log o_E - log o_G + b`. A constant that is added to the reward of all steps, absorbing ones
included, changes no policy. So only the difference of the two matters,
`c = log h_E - log h_G`: every step is worth `r - c` and the absorbing state 0, which is how SB3
bootstraps (`docs/maths.md` has the derivation).

c weighs the two sides' hazards, so it is bounded by data; the logits of living steps are not. They
estimate `log d_E / d_G`, whose level on the generator's samples is minus a divergence of the two,
and as the discriminator gets ahead it falls without end, until any living step is worth less than
the absorbing state. That says how far the generator is from the expert, not that ending pays.
Living steps are therefore raised by the divergence, of Renyi's order 1/2 (`lag` is minus that).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch as th

PSEUDO_ENDS = 0.5
"""Ends that are added to each side, at the hazard of both together: finite logits."""
CLIP = 10.0
"""The limit of the log-ratio of hazards, which the pseudo-ends leave out of reach of most data."""
LARGEST = 1000.0
"""The limit of a logit that is read back: of log-ratio and lag together."""


class Ends(NamedTuple):
    """How often one side ends.

    Attributes:
        n_ends: Terminal transitions; time limits are none.
        n_steps: All transitions.
    """

    n_ends: float
    n_steps: float


class AbsorbingState(NamedTuple):
    """What the absorbing state is worth.

    Attributes:
        c: The logit of the absorbing state, relative to that of living steps: the log-ratio of the
            hazards of expert and generator, 0 where both end equally often, or neither does.
        b: What the logits of living steps lack.
    """

    c: float = 0.0
    b: float = 0.0


class AbsorbingEstimate:
    """What the absorbing state is worth, followed through a training.

    Attributes:
        lag: Of the newest rollout (`lag_of`); None as long as no end was seen on either side.
    """

    def __init__(self) -> None:
        self._hazards = AbsorbingState()
        self.lag: float | None = None

    @property
    def state(self) -> AbsorbingState:
        """The present estimate."""
        return centred(self._hazards, self.lag or 0.0)

    def count(self, expert: Ends, generator: Ends, discount: float) -> None:
        """Takes in how often the two sides end; arguments as for `absorbing_state`."""
        self._hazards = absorbing_state(expert, generator, discount)
        if self.lag is None and expert.n_ends + generator.n_ends:
            self.lag = 0.0

    def state_dict(self) -> list[float]:
        """C and b of the hazards and, once an end was seen, the lag."""
        return [*self._hazards, *([] if self.lag is None else [self.lag])]

    def load_state_dict(self, state: Iterable[float]) -> None:
        """Restores them."""
        c, b, *lag = map(float, state)
        self._hazards, self.lag = AbsorbingState(c, b), lag[0] if lag else None


def lag_of(logits: th.Tensor) -> float:
    """How far the discriminator is ahead: `2 log E_G sqrt(d_E / d_G)`.

    It is minus the Renyi divergence of order 1/2, which treats both sides alike, and lies between
    the mean of the logits (minus the Kullback-Leibler divergence) and the logarithm of the mean
    ratio, which is 0 for a discriminator of overlapping sides. At the game's optimum it is 0.

    Args:
        logits: `log d_E / d_G` of samples of the generator (n,).
    """
    return 2.0 * float(th.logsumexp(logits / 2, 0) - math.log(len(logits)))


def centred(state: AbsorbingState, lag: float) -> AbsorbingState:
    """The absorbing state among living steps that are raised by the lag.

    Args:
        state: From the hazards.
        lag: See `lag_of`; one above 0 counts as 0.
    """
    lag = max(CLIP - LARGEST, min(0.0, lag))
    return AbsorbingState(state.c + lag, state.b - lag)


def absorbing_state(expert: Ends, generator: Ends, discount: float) -> AbsorbingState:
    """The absorbing state's logit, from the samples of the discriminator.

    Args:
        expert: Of the demonstrations.
        generator: Of the samples that the discriminator draws from.
        discount: The generator's, in [0, 1].
    """
    n_ends = expert.n_ends + generator.n_ends
    if n_ends == 0 or min(expert.n_steps, generator.n_steps) == 0:
        return AbsorbingState()
    pooled = n_ends / (expert.n_steps + generator.n_steps)
    h_expert, h_generator = (
        (side.n_ends + PSEUDO_ENDS) / (side.n_steps + PSEUDO_ENDS / pooled)
        for side in (expert, generator)
    )
    horizon = discount / max(1 - discount, 1e-6)
    b = math.log1p(h_generator * horizon) - math.log1p(h_expert * horizon)
    c = math.log(h_expert / h_generator)
    return AbsorbingState(max(-CLIP, min(CLIP, c)), b)

"""Gradient penalties on the discriminator, or on the base reward in it.

What only the generator ever visited can be told from the demonstrations by `g` or by `h`. What is
attributed to `g` there stays in the reward under other dynamics, where the way may lead through.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch as th

from airl_cli.algorithms.batch import TransitionBatch, concatenate
from airl_cli.rewards.base import RewardNet, unwrapped

Ranges = list[tuple[th.Tensor, th.Tensor]]
"""Smallest and largest values of s, a and s', each (*preprocessed shape)."""


class GradientPenalties:
    """Squared gradients of the reward in its inputs, as terms of the discriminator's loss.

    The discriminator's logit is the reward net's output, in AIRL minus log pi, which is no function
    of what is trained here.

    Args:
        rng: Source of the places of interpolation, and in the box.
        base: Weight of `gradient_penalty` on the base reward alone, on the samples of both sides.
        box: Weight of `box_penalty`.
        r1: Weight of `r1_penalty`.
        interpolated: Weight of `interpolated_penalty`.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        base: float = 0.0,
        box: float = 0.0,
        r1: float = 0.0,
        interpolated: float = 0.0,
    ) -> None:
        self.base, self.box, self.r1, self.interpolated = base, box, r1, interpolated
        self._rng = rng

    def __bool__(self) -> bool:
        return max(self.base, self.box, self.r1, self.interpolated) > 0

    def shuffled(self, generated: TransitionBatch) -> TransitionBatch:
        """The generator's samples (n) in random order, where they are paired with the expert's.

        Samplers draw sets, whose order follows that in which the samples lie: pairs by number would
        be of early with early and late with late transitions, and always the same ones where the
        batch is all there is.
        """
        if self.interpolated <= 0:
            return generated
        return generated.rows(th.as_tensor(self._rng.permutation(len(generated))))

    def over(
        self, net: RewardNet, expert: TransitionBatch, generated: TransitionBatch
    ) -> Callable[[TransitionBatch], th.Tensor] | None:
        """The terms for a batch, to be taken minibatch by minibatch.

        Args:
            net: Perhaps shaped.
            expert: The batch's demonstrated transitions (n).
            generated: As many of the generator's.

        Returns:
            From a minibatch (2m), the expert's half in front, to the weighted sum (scalar); None
            where nothing has a weight.
        """
        if not self:
            return None
        ranges = input_ranges(net, concatenate(expert, generated)) if self.box > 0 else None
        return partial(self._sum, net, ranges)

    def _sum(self, net: RewardNet, ranges: Ranges | None, batch: TransitionBatch) -> th.Tensor:
        n = len(batch) // 2
        expert, generated = batch.rows(slice(0, n)), batch.rows(slice(n, None))
        total = th.zeros((), device=net.device)
        if self.base > 0:
            total = total + self.base * gradient_penalty(net, batch)
        if self.box > 0:
            total = total + self.box * box_penalty(net, batch, self._rng, ranges)
        if self.r1 > 0:
            total = total + self.r1 * r1_penalty(net, expert)
        if self.interpolated > 0:
            mix = self._rng.random(n, dtype=np.float32)
            penalty = interpolated_penalty(net, expert, generated, th.as_tensor(mix))
            total = total + self.interpolated * penalty
        return total


def gradient_penalty(net: RewardNet, batch: TransitionBatch) -> th.Tensor:
    """Mean squared norm of the base reward's gradient on the samples of both sides (scalar).

    Zero-centred (Mescheder, Geiger & Nowozin 2018): it flattens the reward's peaks too.

    Args:
        net: Perhaps shaped; only the base counts.
        batch: Where to measure (n).
    """
    base = unwrapped(net)
    return _squared_slopes(base, *base.preprocess(*batch)).mean()


def input_ranges(net: RewardNet, batch: TransitionBatch) -> Ranges:
    """Between what each number of the base reward's s, a and s' lies in a batch (n)."""
    inputs = unwrapped(net).preprocess(*batch)[:3]
    return [(x.amin(0), x.amax(0)) for x in inputs]


def box_penalty(
    net: RewardNet,
    batch: TransitionBatch,
    rng: np.random.Generator,
    ranges: Ranges | None = None,
) -> th.Tensor:
    """As `gradient_penalty`, at random places in the box that holds the samples (scalar).

    Players that have settled leave most states to their memory. What is asked of the reward there
    is smoothness alone, and it costs nothing where the samples are: sharp peaks stay.

    Args:
        net: Perhaps shaped; only the base counts.
        batch: Samples (n); as many places are drawn, uniform in the range of every number.
        rng: Source of the places.
        ranges: Those of s, a and s', if `batch` is only a part of the samples; None: its own.
    """
    base = unwrapped(net)
    ranges = ranges or input_ranges(net, batch)
    state, action, next_state = (_draw(len(batch), low, high, rng) for low, high in ranges)
    done = batch.dones.to(net.device, th.float32)
    return _squared_slopes(base, state, action, next_state, done).mean()


def _draw(n: int, low: th.Tensor, high: th.Tensor, rng: np.random.Generator) -> th.Tensor:
    share = rng.random((n, *low.shape), dtype=np.float32)
    return low + (high - low) * th.as_tensor(share, device=low.device)


def r1_penalty(net: RewardNet, expert: TransitionBatch) -> th.Tensor:
    """Half the mean squared norm of the gradient on the expert's side (scalar).

    Mescheder, Geiger & Nowozin 2018, equation 9: the discriminator is not rewarded for slopes at
    the data, which makes the game converge near its equilibrium.

    Args:
        net: The whole reward net, shaping included.
        expert: Demonstrated transitions (n).
    """
    return 0.5 * _squared_slopes(net, *net.preprocess(*expert)).mean()


def interpolated_penalty(
    net: RewardNet, expert: TransitionBatch, generated: TransitionBatch, mix: th.Tensor
) -> th.Tensor:
    """Mean squared distance of the gradient's norm from 1, between the two sides (scalar).

    Gulrajani et al. 2017, equation 3. What is interpolated is what the net takes: of discrete
    spaces the one-hot vectors.

    Args:
        net: The whole reward net, shaping included.
        expert: Demonstrated transitions (n).
        generated: As many of the generator's.
        mix: Share of the expert in each pair (n,), in [0, 1].
    """
    mix = mix.to(net.device)
    pairs = zip(net.preprocess(*expert), net.preprocess(*generated), strict=True)
    between = [th.lerp(b, a, mix.view(-1, *[1] * (a.ndim - 1))) for a, b in pairs]
    norms = (_squared_slopes(net, *between) + 1e-12).sqrt()
    return (norms - 1).square().mean()


def _squared_slopes(
    net: RewardNet, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
) -> th.Tensor:
    """Squared norms (n,) of the output's gradient in (s, a, s'), which can be differentiated."""
    inputs = [x.detach().clone().requires_grad_() for x in (state, action, next_state)]
    reward = net(*inputs, done).sum()
    gradients = th.autograd.grad(reward, inputs, create_graph=True, allow_unused=True)
    used = [gradient.flatten(1) for gradient in gradients if gradient is not None]
    return th.cat(used, dim=1).square().sum(dim=1)

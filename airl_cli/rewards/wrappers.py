"""Wrappers that process the rewards a generator is trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards.base import (
    Array,
    ForwardWrapper,
    PredictProcessedWrapper,
    RewardNet,
    RewardNetWithVariance,
    RewardNetWrapper,
)
from airl_cli.rewards.ensemble import RewardEnsemble
from airl_cli.rewards.layers import BaseNorm, evaluating


class NormalizedRewardNet(PredictProcessedWrapper):
    """Normalises `predict_processed` to mean 0 and variance 1 by running statistics.

    `forward`, on which the discriminator is trained, stays the base's.

    Args:
        base: The net to wrap.
        normalize_output_layer: Class of the layer, built with 1 feature: `RunningNorm`, `EMANorm`.
    """

    def __init__(self, base: RewardNet, normalize_output_layer: Callable[[int], BaseNorm]) -> None:
        super().__init__(base)
        self.normalize_output_layer = normalize_output_layer(1)

    def predict_processed(
        self,
        state: Array,
        action: Array,
        next_state: Array,
        done: Array,
        update_stats: bool = True,
        **kwargs: Any,
    ) -> Array:
        """Normalised rewards (batch,); the batch counts for the statistics of later calls.

        Args:
            state: Observations (batch, *observation shape).
            action: Actions (batch, *action shape).
            next_state: The observations after the actions.
            done: Whether `next_state` is terminal (batch,).
            update_stats: Take this batch into the statistics, after it was normalised.
            **kwargs: For the base.
        """
        raw = self.base.predict_processed(state, action, next_state, done, **kwargs)
        rewards = th.as_tensor(raw, dtype=th.float32, device=self.device)
        with th.no_grad(), evaluating(self.normalize_output_layer):
            normalized = self.normalize_output_layer(rewards)
            if update_stats:
                self.normalize_output_layer.update_stats(rewards)
        return normalized.cpu().numpy()


class ShiftedRewardNet(ForwardWrapper):
    """Adds a constant to every reward.

    Args:
        base: The net to wrap.
        shift: The constant.
    """

    def __init__(self, base: RewardNet, shift: float) -> None:
        super().__init__(base)
        self.shift = shift

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """The base's rewards and the constant (batch,)."""
        return self.base(state, action, next_state, done) + self.shift


class BoundedRewardNet(ForwardWrapper):
    """Keeps every reward within the range in which it was learned.

    Beyond it a net only extrapolates: a new policy would find the states in which that is large,
    and one rare reward of a thousand times the usual size spoils any estimate of values.

    Args:
        base: The net to wrap.
        low: Smaller rewards become this.
        high: Larger rewards become this.

    Raises:
        InvalidValueError: `low` is not below `high`.
    """

    def __init__(self, base: RewardNet, low: float, high: float) -> None:
        super().__init__(base)
        if not low < high:
            raise InvalidValueError(f"low={low} is not below high={high}.", "Swap them.")
        self.low, self.high = low, high

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """The base's rewards, bounded (batch,)."""
        return self.base(state, action, next_state, done).clamp(self.low, self.high)


class AddSTDRewardWrapper(PredictProcessedWrapper):
    """Adds `alpha` standard deviations to an ensemble's processed reward.

    A positive `alpha` seeks what the members disagree about, a negative one avoids it.

    Args:
        base: A net with `predict_reward_moments`, such as a `RewardEnsemble`.
        default_alpha: Used where `predict_processed` gets no `alpha`.

    Raises:
        InvalidTypeError: The base has no variance.
    """

    def __init__(self, base: RewardNet, default_alpha: float = 0.0) -> None:
        if not isinstance(base, RewardNetWithVariance):
            raise InvalidTypeError(
                f"AddSTDRewardWrapper needs the reward's variance; {type(base).__name__} has none.",
                "Wrap a RewardEnsemble.",
            )
        super().__init__(base)
        self.default_alpha = default_alpha

    def predict_processed(
        self,
        state: Array,
        action: Array,
        next_state: Array,
        done: Array,
        alpha: float | None = None,
        **kwargs: Any,
    ) -> Array:
        """`mean + alpha * std` (batch,).

        Args:
            state: Observations (batch, *observation shape).
            action: Actions (batch, *action shape).
            next_state: The observations after the actions.
            done: Whether `next_state` is terminal (batch,).
            alpha: Weight of the standard deviation; None: `default_alpha`.
            **kwargs: For the base's `predict_reward_moments`.
        """
        assert isinstance(self.base, RewardNetWithVariance)
        mean, variance = self.base.predict_reward_moments(state, action, next_state, done, **kwargs)
        return mean + (self.default_alpha if alpha is None else alpha) * np.sqrt(variance)


def output_normalization(net: RewardNet) -> tuple[float, float] | None:
    """By what `predict_processed` of `net` normalises now: `(reward - shift) / scale`.

    Returns:
        Shift and scale; None where no `NormalizedRewardNet` is around the net.

    Raises:
        InvalidValueError: Members of an ensemble process their rewards, each on its own scale.
    """
    layers: list[BaseNorm] = []  # from the inside
    while isinstance(net, RewardNetWrapper):
        if isinstance(net, NormalizedRewardNet):
            layers.insert(0, net.normalize_output_layer)
        net = net.base
    if isinstance(net, RewardEnsemble) and net.is_processed:
        raise InvalidValueError(
            "the members of the ensemble are normalised, each on a scale of its own.",
            "Normalise the ensemble instead: NormalizedRewardNet(RewardEnsemble(...)).",
        )
    if not layers:
        return None
    shift, scale = 0.0, 1.0
    for layer in layers:
        shift += scale * float(layer.running_mean)
        scale *= math.sqrt(float(layer.running_var) + layer.eps)
    return shift, scale

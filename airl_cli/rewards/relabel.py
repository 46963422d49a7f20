"""Buffers that hold what the learned reward says, not what the environment paid.

Stable-Baselines3 needs no reward before it computes advantages (on-policy) or draws a batch
(off-policy). Both moments are methods of the buffer, so a ready-made algorithm can be given a
learned reward without touching it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

RolloutPricer = Callable[[], np.ndarray]
SamplePricer = Callable[[ReplayBufferSamples], th.Tensor]


def price_rollouts(buffer: RolloutBuffer, price: RolloutPricer) -> None:
    """Lets `price` set the rewards of each complete rollout, in one batch, before advantages.

    The rewards are *added* to what the buffer holds: the environment is expected to pay zero, so
    that what stands there is SB3's bootstrap `gamma V(s')` of truncated episodes.

    Args:
        buffer: Of an on-policy algorithm; a second call replaces the first call's pricer.
        price: Gives the rewards (buffer_size, n_envs) of the rollout that is now complete.
    """

    def compute_returns_and_advantage(last_values: th.Tensor, dones: np.ndarray) -> None:
        buffer.rewards += price()
        type(buffer).compute_returns_and_advantage(buffer, last_values=last_values, dones=dones)

    buffer.compute_returns_and_advantage = compute_returns_and_advantage  # type: ignore[method-assign]


def price_samples(buffer: ReplayBuffer, price: SamplePricer) -> None:
    """Lets `price` set the rewards of each batch drawn, so that old transitions carry today's.

    Args:
        buffer: Of an off-policy algorithm; a second call replaces the first call's pricer.
        price: From samples to rewards (batch, 1).
    """

    def _get_samples(batch_inds: np.ndarray, env: Any = None) -> ReplayBufferSamples:
        samples = type(buffer)._get_samples(buffer, batch_inds, env=env)
        return samples._replace(rewards=price(samples))

    buffer._get_samples = _get_samples  # type: ignore[method-assign]


def unprice(buffer: RolloutBuffer | ReplayBuffer) -> None:
    """Takes a pricer off again: the environment's rewards count."""
    for method in ("compute_returns_and_advantage", "_get_samples"):
        vars(buffer).pop(method, None)

"""A reward net whose processed output has mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th

from airl_cli.rewards.base import RewardNet, RewardNetWrapper
from airl_cli.rewards.layers import BaseNorm, evaluating


class NormalizedRewardNet(RewardNetWrapper):
    """Normalises `predict_processed` by running statistics.

    `forward`, on which the discriminator is trained, stays the base's.

    Args:
        base: The net to wrap.
        normalize_output_layer: Built with 1 feature, for example `RunningNorm`.
    """

    def __init__(self, base: RewardNet, normalize_output_layer: Callable[[int], BaseNorm]) -> None:
        super().__init__(base)
        self.normalize_output_layer = normalize_output_layer(1)

    def predict_processed(
        self,
        state: np.ndarray,
        action: np.ndarray,
        next_state: np.ndarray,
        done: np.ndarray,
        update_stats: bool = True,
        **kwargs: Any,
    ) -> np.ndarray:
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

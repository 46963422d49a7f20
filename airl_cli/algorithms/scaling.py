"""Bringing the generator's reward to a scale that one set of hyperparameters fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class RewardScale:
    """Divides rewards by a running standard deviation; their mean stays.

    A constant factor changes no optimal policy, and the objective `r - log pi` is divided as a
    whole, so reward and entropy keep their balance.

    Args:
        enabled: False: the scale is 1.
        decay: Weight of the past in the exponentially weighted variance; one step a rollout.
    """

    def __init__(self, enabled: bool, decay: float = 0.9) -> None:
        self.enabled = enabled
        self.decay = decay
        self.variance = 0.0
        self.weight = 0.0

    @property
    def scale(self) -> float:
        """The current standard deviation."""
        if not self.enabled or self.weight == 0.0:
            return 1.0
        return float(np.sqrt(self.variance / self.weight)) + 1e-8

    def state_dict(self) -> dict[str, float]:
        """The running sums."""
        return {"variance": self.variance, "weight": self.weight}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Puts them back."""
        self.variance, self.weight = float(state["variance"]), float(state["weight"])

    def __call__(self, rewards: np.ndarray) -> np.ndarray:
        """Takes the rewards (any shape) in, and gives them divided by the scale."""
        if not self.enabled:
            return rewards
        self.variance = self.decay * self.variance + (1 - self.decay) * float(rewards.var())
        self.weight = self.decay * self.weight + (1 - self.decay)
        return rewards / np.float32(self.scale)

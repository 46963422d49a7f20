"""An environment whose observations are as long as one likes, and which costs nothing to step."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class SyntheticEnv(gym.Env[np.ndarray, np.ndarray]):
    """A point that an action pushes about; `size` numbers tell where it is.

    Args:
        size: Length of an observation.
    """

    def __init__(self, size: int = 16) -> None:
        self.observation_space = gym.spaces.Box(-10, 10, (size,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self._shown = np.zeros(size, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Somewhere near the middle."""
        super().reset(seed=seed)
        self._shown = self.np_random.normal(size=self._shown.shape).astype(np.float32)
        return self._shown.copy(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """A push; the middle pays best."""
        self._shown[:2] = np.clip(self._shown[:2] + 0.1 * action, -10, 10)
        return self._shown.copy(), -float(np.abs(self._shown[:2]).sum()), False, False, {}


gym.register("Synthetic-v0", SyntheticEnv, max_episode_steps=200)

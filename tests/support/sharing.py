"""An environment whose copies share a state: `env.id=support.sharing:Sharing-v0`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Sharing(gym.Env[np.ndarray, Any]):
    """Ten steps on a path on which all copies walk at once."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(2)
    place = 0.0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Starts an episode where the copies are."""
        super().reset(seed=seed)
        self.steps = 0
        return np.array([Sharing.place], np.float32), {}

    def step(self, action: Any) -> Any:
        """Takes all copies along."""
        self.steps += 1
        Sharing.place = 0.9 * Sharing.place + float(self.np_random.normal())
        obs = np.array([Sharing.place], np.float32)
        return obs, Sharing.place, False, self.steps == 10, {}


if "Sharing-v0" not in gym.registry:
    gym.register("Sharing-v0", Sharing)

"""Wrappers at the boundary between Gymnasium and the vectorised environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Float32Observation(gym.ObservationWrapper[Any, Any, Any]):
    """Casts float64 observations to float32, once, where they leave the environment."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        assert isinstance(space, spaces.Box)
        # Bounds beyond float32's range are no bounds to it.
        with np.errstate(over="ignore"):
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        """The observation as float32."""
        return np.asarray(observation, dtype=np.float32)


def cast_observations(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """`env`, wrapped if its observations are float64."""
    space = env.observation_space
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        return Float32Observation(env)
    return env

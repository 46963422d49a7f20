"""Small environments registered for these tests only."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces


class NoisyEnv(gym.Env):
    """A random walk in float64 that ends after 7 steps; its reward is the position."""

    observation_space = spaces.Box(-np.inf, 1e300, (2,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.time = np.zeros(2), 0
        return self.state.copy(), {}

    def step(self, action):
        self.time += 1
        self.state += self.scale * self.np_random.normal(size=2) + float(action[0])
        return self.state.copy(), float(self.state[0]), self.time == 7, False, {}


@pytest.fixture
def register() -> Iterator[Callable[..., str]]:
    """Register an entry point as `AirlTest-v0` for one test."""
    env_id = "AirlTest-v0"

    def register_(entry_point: Any = NoisyEnv, **kwargs: Any) -> str:
        gym.register(env_id, entry_point=entry_point, **kwargs)
        return env_id

    yield register_
    gym.registry.pop(env_id, None)

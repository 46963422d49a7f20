"""A venv whose episodes follow a script: (length, how it ends) for each environment."""

from collections.abc import Callable, Sequence

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

Episode = tuple[int, str]  # length, "terminated" | "truncated" | "both"


class ScriptedEnv(gym.Env):
    """Observes [environment, episode, time]; rewards with the time before the step."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Discrete(3)

    def __init__(self, index: int, episodes: Sequence[Episode]) -> None:
        self.index, self.episodes = index, episodes
        self.episode, self.time = -1, 0

    def _obs(self) -> np.ndarray:
        return np.array([self.index, self.episode, self.time], dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        self.episode, self.time = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        self.time += 1
        length, end = self.episodes[self.episode % len(self.episodes)]
        ended = self.time == length
        info = {"action": int(action)}
        return (
            self._obs(),
            float(self.time - 1),
            ended and end in ("terminated", "both"),
            ended and end in ("truncated", "both"),
            info,
        )


@pytest.fixture(scope="session")
def scripted_venv() -> Callable[..., DummyVecEnv]:
    def make(scripts: Sequence[Sequence[Episode]], wrap=lambda env: env) -> DummyVecEnv:
        return DummyVecEnv(
            [
                lambda i=i, script=script: wrap(ScriptedEnv(i, script))
                for i, script in enumerate(scripts)
            ]
        )

    return make

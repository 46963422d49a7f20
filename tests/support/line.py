"""A small environment and its demonstrations, that every test can afford."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from airl_cli.data import rollout
from airl_cli.data.types import TrajectoryWithRew


class Line(gym.Env):
    """A point on a line, moved by its action and a little noise; rewarded for being at 0.5.

    Args:
        horizon: Steps until the time limit.
        terminal_at: End in a terminal state where |x| passes this.
        discrete: Two actions (left, right) instead of a force in [-1, 1].
    """

    def __init__(
        self, horizon: int = 10, terminal_at: float = np.inf, discrete: bool = False
    ) -> None:
        self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.action_space = (
            spaces.Discrete(2) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
        )
        self.horizon, self.terminal_at, self.discrete = horizon, terminal_at, discrete

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.x, self.t = self.np_random.uniform(-0.5, 0.5), 0
        return self._obs(), {}

    def _obs(self) -> np.ndarray:
        return np.array([self.x, self.t / self.horizon], dtype=np.float32)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        force = 2.0 * float(action) - 1 if self.discrete else float(np.asarray(action)[0])
        self.x += 0.3 * force + 0.05 * self.np_random.normal()
        self.t += 1
        terminal = abs(self.x) > self.terminal_at
        return self._obs(), -abs(self.x - 0.5), terminal, self.t >= self.horizon, {}


def line_venv(n_envs: int = 4, seed: int = 0, **kwargs: Any) -> VecEnv:
    venv = DummyVecEnv([lambda: Line(**kwargs) for _ in range(n_envs)])
    venv.seed(seed)
    return venv


def line_expert(obs: np.ndarray, state: Any, starts: Any) -> tuple[np.ndarray, Any]:
    """Goes to 0.5 and stays, with a little noise of its own."""
    noise = 0.1 * np.sin(37.0 * obs[:, :1])
    return np.clip(3.0 * (0.5 - obs[:, :1]) + noise, -1, 1).astype(np.float32), state


def line_demonstrations(n_episodes: int = 8, **kwargs: Any) -> list[TrajectoryWithRew]:
    venv = line_venv(seed=1, **kwargs)
    policy = None if kwargs.get("discrete") else line_expert
    until = rollout.make_sample_until(min_episodes=n_episodes)
    return list(rollout.rollout(policy, venv, until, rng=np.random.default_rng(0)))

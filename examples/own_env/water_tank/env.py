"""A tank with a hole, whose level is to be kept."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

TANK_HEIGHT, STEP = 2.0, 0.2  # m, s
INFLOW = 1.0  # m/s that the level rises with the valve fully open


class WaterTankEnv(gym.Env):
    """Open the valve just so that the level stays at the mark.

    Observation (2,) float32: level and mark, in metres. Action (1,): the valve, from -1 (shut) to
    1 (open). Reward: minus the distance between level and mark after the step, in metres.
    Episodes end by the time limit only: their length says nothing about the reward.

    Args:
        outflow: How fast a level of one metre falls through the hole, in metres per second.
    """

    observation_names = ("level (m)", "mark (m)")  # optional: axes of `airl reward`

    def __init__(self, outflow: float = 0.4) -> None:
        self.outflow = outflow
        self.observation_space = spaces.Box(0.0, TANK_HEIGHT, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Fill the tank to anywhere, and set the mark to anywhere in its middle."""
        super().reset(seed=seed)
        self.level = self.np_random.uniform(0.0, TANK_HEIGHT)
        self.mark = self.np_random.uniform(0.5, 1.5)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Let water in and out for 0.2 s."""
        opening = (float(action[0]) + 1) / 2
        change = STEP * (INFLOW * opening - self.outflow * np.sqrt(self.level))
        self.level = float(np.clip(self.level + change, 0.0, TANK_HEIGHT))
        return self._observation(), -abs(self.level - self.mark), False, False, {}

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions (n,); optional: lets `airl reward` measure distances."""
        return -np.abs(next_state[:, 0] - next_state[:, 1])

    def _observation(self) -> np.ndarray:
        return np.array([self.level, self.mark], dtype=np.float32)

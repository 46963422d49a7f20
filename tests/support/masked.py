"""A grid whose walls cannot be walked into: an environment with action masks."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

_MOVES = ((0, 1), (1, 0), (0, -1), (-1, 0))


class Grid(gym.Env):
    """Five by five cells; -0.1 a step until the corner (4, 4) is reached, which ends the episode.

    A move out of the grid, or against the wind (into a cell that is blocked at this step), is
    invalid and raises.
    """

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0.0, 4.0, (2,), np.float32)
        self.action_space = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.place = self.np_random.integers(0, 4, 2)
        self._block()
        return self.place.astype(np.float32), {}

    def _block(self) -> None:
        """One random move is invalid at each step; which one only the masks tell."""
        self.blocked = int(self.np_random.integers(4))

    def action_masks(self) -> np.ndarray:
        inside = [bool(np.all((self.place + m >= 0) & (self.place + m <= 4))) for m in _MOVES]
        return np.array([ok and i != self.blocked for i, ok in enumerate(inside)])

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not self.action_masks()[int(action)]:
            raise ValueError(f"action {action} is invalid at {self.place}")
        self.place = self.place + _MOVES[int(action)]
        self._block()
        done = bool((self.place == 4).all())
        return self.place.astype(np.float32), -0.1, done, False, {}


gym.register("MaskedGrid-v0", entry_point=Grid, max_episode_steps=50)

"""A point that moves to a goal, shown in every kind of observation; reward: minus the distance."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

_POINT = spaces.Box(-1, 1, (2,), np.float64)
_PARTS = {
    "observation": _POINT,
    "desired_goal": _POINT,
    "extra": spaces.Tuple((spaces.Discrete(3, start=1), spaces.MultiBinary(2))),
    "picture": spaces.Box(0, 255, (4, 4, 3), np.uint8),
}
SPACES: dict[str, spaces.Space[Any]] = {
    "Dict": spaces.Dict(_PARTS),
    "Tuple": spaces.Tuple(tuple(_PARTS.values())),
    "SmallImage": spaces.Box(0, 255, (8, 8, 3), np.uint8),
    "Image": spaces.Box(0, 255, (36, 40, 1), np.uint8),
    "BoolImage": spaces.Box(0, 1, (5, 5, 2), bool),
    "MultiBinary": spaces.MultiBinary(6),
    "Integers": spaces.Box(-9, 9, (2, 2), np.int64),
}


class Goal(gym.Env[Any, Any]):
    """Twelve steps; `kind` is a key of `SPACES`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.observation_space = SPACES[kind]
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        self.steps = 0
        return self._shown(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        self.place = np.clip(self.place + 0.3 * np.asarray(action), -1, 1)
        distance = float(np.abs(self.place - self.goal).sum())
        return self._shown(), -distance, False, self.steps >= 12, {}

    def _shown(self) -> Any:
        space = self.observation_space
        if self.kind in ("Dict", "Tuple"):
            extra = (1 + self.steps % 3, np.array([0, 1], np.int8))
            picture = np.full((4, 4, 3), 20 * self.steps, np.uint8)
            parts = (self.place.copy(), self.goal.copy(), extra, picture)
            return dict(zip(_PARTS, parts, strict=True)) if self.kind == "Dict" else parts
        if self.kind == "Integers":
            return np.round(9 * np.stack([self.place, self.goal])).astype(np.int64)
        shown = np.zeros(space.shape or (), space.dtype)
        where = (1 + np.stack([self.place, self.goal])) / 2
        if self.kind == "MultiBinary":
            shown[:4] = where.ravel() > 0.5
            return shown
        rows, columns, channels = shown.shape
        for channel, (y, x) in enumerate(where):
            at = int(y * (rows - 1)), int(x * (columns - 1)), min(channel, channels - 1)
            shown[at] = 255 if space.dtype == np.uint8 else True
        return shown


for _kind in SPACES:
    gym.register(f"Goal{_kind}-v0", entry_point=Goal, kwargs={"kind": _kind})

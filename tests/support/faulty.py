"""An environment that does what environments should not, once it is told to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from support.line import Line


class Faulty(Line):
    """`Line` with a fault at a step while a file exists.

    Args:
        flag: The file; its text is the fault: `raise`, `exit`, `nan_obs` or `nan_reward`.
        at: Steps of all copies in this process before the fault.
    """

    steps: ClassVar[dict[Path, int]] = {}  # by flag

    def __init__(self, flag: str, at: int = 50) -> None:
        super().__init__(horizon=16)
        self.flag, self.at = Path(flag), at

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        obs, reward, *rest = super().step(action)
        steps = self.steps[self.flag] = self.steps.get(self.flag, 0) + 1
        fault = self.flag.read_text() if steps == self.at and self.flag.exists() else ""
        if fault == "raise":
            raise RuntimeError("the simulator broke")
        if fault == "exit":
            os._exit(3)
        if fault == "nan_obs":
            obs = np.full_like(obs, np.nan)
        if fault == "nan_reward":
            reward = float("nan")
        return obs, reward, *rest  # type: ignore[return-value]


gym.register("Faulty-v0", entry_point=Faulty)

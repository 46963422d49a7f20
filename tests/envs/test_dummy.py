from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.envs.make import LeanDummyVecEnv
from support.line import Line


class Talkative(Line):
    """Says everything in one dictionary that it keeps, and changes what it said."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.said: dict[str, Any] = {"nested": {"list": [0]}, "array": np.zeros(2), "text": "a"}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        obs, reward, terminated, truncated, _ = super().step(action)
        self.said["array"] += 1
        self.said["nested"]["list"].append(self.t)
        self.said["number"] = np.float64(self.x)
        return obs, reward, terminated, truncated, self.said


class AsDict(gym.ObservationWrapper):
    def __init__(self) -> None:
        super().__init__(Line())
        self.observation_space = spaces.Dict({"line": self.env.observation_space})

    def observation(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        return {"line": observation}


def play(cls: type[DummyVecEnv], make: Any) -> list[Any]:
    venv = cls([make] * 3)
    venv.seed(0)
    seen: list[Any] = [venv.reset()]
    rng = np.random.default_rng(0)
    for _ in range(15):
        seen.append(venv.step(rng.uniform(-1, 1, (3, 1)).astype(np.float32)))
    return seen


@pytest.mark.parametrize("make", [lambda: Talkative(terminal_at=0.6, horizon=7), AsDict])
def test_steps_are_those_of_sb3_and_stay_as_they_were_given(make) -> None:
    ours, theirs = play(LeanDummyVecEnv, make), play(DummyVecEnv, make)
    np.testing.assert_equal(ours, theirs)
    assert any(dones.any() for _, _, dones, _ in ours[1:])
    for mine, other in zip(ours[1], theirs[1], strict=True):
        assert type(mine) is type(other)
        assert getattr(mine, "dtype", None) == getattr(other, "dtype", None)

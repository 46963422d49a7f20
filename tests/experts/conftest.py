"""An environment that an expert masters in a second."""

import logging
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from airl_cli.envs import EnvSpec

ENV_ID = "TinyMatch-v0"
torch.set_num_threads(1)


class Match(gymnasium.Env):
    """Pays 1 for the action that equals the observation; ten steps."""

    def __init__(self, n: int = 2) -> None:
        self.observation_space = gymnasium.spaces.Discrete(n)
        self.action_space = gymnasium.spaces.Discrete(n)

    def reset(self, **kwargs: Any) -> tuple[int, dict]:
        super().reset(**kwargs)
        self.steps = 0
        return self._draw(), {}

    def _draw(self) -> int:
        self.state = int(self.np_random.integers(self.observation_space.n))
        return self.state

    def step(self, action: np.ndarray) -> tuple[int, float, bool, bool, dict]:
        self.steps += 1
        reward = float(action == self.state)
        return self._draw(), reward, False, self.steps >= 10, {}


@pytest.fixture(scope="session")
def env() -> EnvSpec:
    gymnasium.register(ENV_ID, Match, disable_env_checker=True)
    return EnvSpec(ENV_ID, n_envs=2)


@pytest.fixture
def news(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What experts logged since the last call."""
    caplog.set_level(logging.INFO, "airl_cli.experts")

    def take() -> list[str]:
        lines = [r.getMessage() for r in caplog.records if r.name == "airl_cli.experts"]
        caplog.clear()
        return lines

    return take

"""A trainer that takes no time, and configs of real ones."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from airl_cli.algorithms.health import Weights
from airl_cli.data.types import TrajectoryWithRew
from airl_cli.evaluation import Baseline, Evaluation
from airl_cli.experts import Demonstrations

torch.set_num_threads(1)
OBS = spaces.Box(-1.0, 1.0, (3,), np.float32)
ACT = spaces.Discrete(2)


class Reward(nn.Linear):
    def predict(self, state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        return np.zeros(len(state), np.float32)


class FakeTrainer:
    """Has what a run asks of a trainer; a round adds one to every weight."""

    gen_train_timesteps = 100

    def __init__(self) -> None:
        self.reward_net: Any = Reward(2, 1)
        self.policy = nn.Linear(3, 1)
        self.venv: Any = SimpleNamespace(observation_space=OBS, action_space=ACT)
        self.stats: dict[str, float] = {}
        for module in (self.reward_net, self.policy):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)

    def learned_facts(self) -> dict[str, Any]:
        return {}

    @property
    def reward_test(self) -> Any:
        return self.reward_net

    def round(self, number: int) -> None:
        with torch.no_grad():
            for module in (self.reward_net, self.policy):
                for parameter in module.parameters():
                    parameter += 1
        self.stats = {
            "round": number,
            "env_steps": (number + 1) * 100.0,
            "true_return_mean": float("nan") if number == 0 else 10.0 * number,
            "disc_loss": 0.5,
        }
        self.good_weights = Weights(policy=self.policy, reward_net=self.reward_net)


@pytest.fixture
def trainer() -> FakeTrainer:
    return FakeTrainer()


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation("x-v0", 3, np.array([4.0, 8.0]), np.array([10.0]), np.array([2.0]))


@pytest.fixture
def references() -> dict[str, Any]:
    episode = TrajectoryWithRew(
        np.zeros((4, 3), np.float32), np.zeros(3, int), None, False, np.ones(3)
    )
    return {
        "demonstrations": Demonstrations([episode] * 2, None, {"source": "test"}, 1.25),
        "random": Baseline(np.array([1.0]), np.array([3]), episode),
    }

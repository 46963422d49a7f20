"""The retrain test: new policies on the final and on the true reward."""

from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from airl_cli.algorithms import RewardTrainer
from airl_cli.envs import EnvSpec
from airl_cli.evaluation import Evaluation, retrain
from airl_cli.rewards import BasicRewardNet

STEPS = 256


class Guess(gymnasium.Env):
    """A reward of 1 for action 1; eight steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict]:
        super().reset(**kwargs)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        return np.zeros(1, np.float32), float(action), False, self.steps >= 8, {}


class Liar(BasicRewardNet):
    """A learned reward that asks for action 0."""

    def forward(self, state: Any, action: Any, next_state: Any, done: Any) -> torch.Tensor:
        return 10.0 * action[:, 0] + 0.0 * super().forward(state, action, next_state, done)


@pytest.fixture
def env() -> EnvSpec:
    if "GuessRetrain-v0" not in gymnasium.registry:
        gymnasium.register("GuessRetrain-v0", Guess, disable_env_checker=True)
    return EnvSpec("GuessRetrain-v0", n_envs=2)


GENERATOR = partial(PPO, "MlpPolicy", n_steps=32, batch_size=32, n_epochs=10, learning_rate=3e-2)


def test_both_policies_are_scored_on_the_true_reward(
    env: EnvSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []

    class Spy(RewardTrainer):
        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(**kwargs)

    monkeypatch.setattr("airl_cli.evaluation.retrain.RewardTrainer", Spy)
    net = Liar(Guess.observation_space, Guess.action_space)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    plain = Evaluation("x", 0, np.full(20, 6.0), np.full(5, 8.0), np.full(5, 4.0))
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    found = retrain.retrain(plain, GENERATOR, env, net, total_timesteps=STEPS)
    assert torch.equal(torch.rand(()), expected)  # the caller's random stream
    assert all(net.state_dict()[name].equal(value) for name, value in before.items())
    assert len(found.retrained_returns) == len(found.true_reward_returns) == 20
    assert found.retrained_returns.mean() < 2.5 < 5.5 < found.true_reward_returns.mean()
    assert [kwargs["reward_net"] for kwargs in made] == [net, None]
    assert made[1]["temperature"] == 0
    assert made[0]["gen_algo"].seed != made[1]["gen_algo"].seed
    result = found.result()
    assert result["retrain_score"] == pytest.approx((found.retrained_returns.mean() - 4) / 4)
    assert result["true_reward_score"] == pytest.approx((found.true_reward_returns.mean() - 4) / 4)
    assert result["normalized_score"] == 0.5
    assert [name for name in found.rows() if "new policy" in name] == [
        "new policy on the learned reward",
        "new policy on the true reward",
    ]


def test_without_the_test_the_result_has_no_such_keys() -> None:
    plain = Evaluation("x", 0, np.full(2, 6.0), np.full(2, 8.0), np.full(2, 4.0))
    assert not any("retrain" in key for key in plain.result())

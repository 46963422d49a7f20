"""Environments in which generator samples would not be what the demonstrations are."""

import gymnasium
import numpy as np
import pytest
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecCheckNan, VecNormalize

from airl_cli import AIRL, GAIL
from airl_cli.data import rollout
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet
from support.line import Line

PPO = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "device": "cpu"}


def trainer(kind, venv, algorithm, demonstrations=None):
    net = BasicRewardNet if kind is GAIL else BasicShapedRewardNet
    return kind(
        demonstrations=demonstrations,
        demo_batch_size=8,
        venv=venv,
        gen_algo=algorithm,
        reward_net=net(venv.observation_space, venv.action_space),
        allow_variable_horizon=True,
    )


@pytest.mark.parametrize("kind", [AIRL, GAIL])
@pytest.mark.parametrize("only", [{}, {"norm_obs": False}, {"norm_reward": False}])
def test_vec_normalize_is_refused_wherever_it_is(kind, only):
    raw = EnvSpec("CartPole-v1", n_envs=2).make(0)
    normalised = VecCheckNan(VecNormalize(raw, **only))
    for venv, model_env, where in (
        (normalised, raw, "venv"),
        (raw, VecNormalize(raw, **only), "the environment of gen_algo"),
    ):
        with pytest.raises(InvalidValueError, match=f"VecNormalize is around {where}") as caught:
            trainer(kind, venv, sb3.PPO("MlpPolicy", model_env, **PPO))
        assert "NormalizedFeatures" in caught.value.remedy


class FromOne(Line):
    action_space = spaces.Discrete(2, start=1)


def test_spaces_that_policies_misread_are_refused():
    gymnasium.register("FromOne-v0", FromOne, max_episode_steps=5)
    venv = EnvSpec("FromOne-v0", n_envs=2).make(0)
    venv.action_space = spaces.Discrete(2, start=1)
    with pytest.raises(InvalidValueError, match="start at 1 instead of 0"):
        trainer(AIRL, venv, sb3.PPO("MlpPolicy", venv, **PPO))
    del gymnasium.registry["FromOne-v0"]


class Masked(gymnasium.Env):
    """Two of three actions are legal; the third raises."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.s = 0, self.np_random.uniform(-1, 1)
        return np.array([self.s], np.float32), {}

    def action_masks(self):
        return np.array([self.s > 0, True, self.s <= 0])

    def step(self, action):
        if not self.action_masks()[int(action)]:
            raise RuntimeError("illegal")
        self.steps, self.s = self.steps + 1, self.np_random.uniform(-1, 1)
        return np.array([self.s], np.float32), 1.0, False, self.steps >= 10, {}


def test_rollouts_of_a_maskable_policy_take_legal_actions_only():
    contrib = pytest.importorskip("sb3_contrib")
    gymnasium.register("Masked-v0", Masked)
    venv = EnvSpec("Masked-v0", n_envs=2).make(0)
    model = contrib.MaskablePPO("MlpPolicy", venv, **PPO)
    enough = rollout.make_sample_until(min_episodes=4)
    for policy in (model, model.policy):
        episodes = rollout.rollout(policy, venv, enough, rng=np.random.default_rng(0))
        assert len({a for episode in episodes for a in episode.acts.tolist()}) == 3
    del gymnasium.registry["Masked-v0"]

"""Policies by kind."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.errors import InvalidValueError
from airl_cli.policies import (
    FeedForward32Policy,
    NormalizeFeaturesExtractor,
    RandomPolicy,
    ZeroPolicy,
    load_policy,
)
from airl_cli.policy_building import SpacesVecEnv

OBS = spaces.Box(-1.0, 1.0, (3,), np.float32)
ACTIONS = [
    spaces.Discrete(5),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(4),
    spaces.Box(-2.0, 1.0, (2, 2), np.float32),
]


@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
def test_random_and_zero_policies_act_within_the_action_space(action_space) -> None:
    venv, obs = SpacesVecEnv(OBS, action_space), np.zeros((6, 3), np.float32)
    for kind in ("random", "zero"):
        acts, _ = load_policy(kind, venv).predict(obs)
        assert acts.shape == (6, *action_space.shape)
        assert all(action_space.contains(act) for act in acts)
    assert not acts.any()
    action_space.seed(0)
    policy = RandomPolicy(OBS, action_space)
    action_space.seed(0)
    drawn = np.stack([action_space.sample() for _ in range(6)])
    policy.action_space.seed(0)
    np.testing.assert_array_equal(policy.predict(obs)[0], drawn)


def test_zero_outside_of_the_action_space_is_refused() -> None:
    with pytest.raises(ValueError, match="0 is not in the action space"):
        ZeroPolicy(OBS, spaces.Box(0.5, 1.0, (1,), np.float32))


def test_unknown_kinds_and_missing_models_are_refused(tmp_path: Path) -> None:
    venv = SpacesVecEnv(OBS, ACTIONS[0])
    with pytest.raises(InvalidValueError, match="'pppo'.*\n.*ppo"):
        load_policy("pppo", venv, path="x.zip")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError):
            load_policy("ppo", venv, path=str(path))


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_saved_model_acts_as_it_did(tmp_path: Path, as_folder: bool) -> None:
    venv = SpacesVecEnv(OBS, ACTIONS[0])
    model = PPO("MlpPolicy", venv, policy_kwargs={"net_arch": [8]}, device="cpu", seed=0)
    model.save(tmp_path / "model.zip")
    path = tmp_path if as_folder else tmp_path / "model.zip"
    loaded = load_policy("ppo", venv, path=str(path))
    obs = np.random.default_rng(0).uniform(-1, 1, (9, 3)).astype(np.float32)
    expected, _ = model.predict(obs, deterministic=True)
    np.testing.assert_array_equal(loaded.predict(obs, deterministic=True)[0], expected)


def test_the_papers_policy_has_one_trunk() -> None:
    venv = DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2)
    model = PPO(FeedForward32Policy, venv, n_steps=8, batch_size=8, n_epochs=1, device="cpu")
    trunk = [tuple(w.shape) for n, w in model.policy.named_parameters() if "shared_net" in n]
    assert trunk == [(32, 4), (32,), (32, 32), (32,)]
    heads = {n for n, _ in model.policy.named_parameters() if "shared_net" not in n}
    assert heads == {f"{net}_net.{p}" for net in ("action", "value") for p in ("weight", "bias")}
    before = model.policy.mlp_extractor.shared_net[0].weight.clone()
    model.learn(16)
    assert not th.equal(before, model.policy.mlp_extractor.shared_net[0].weight)


def test_normalised_features_are_flat_and_not_clipped() -> None:
    extractor = NormalizeFeaturesExtractor(spaces.Box(-1, 1, (2, 3), np.float32))
    batch = th.randn(50, 2, 3)
    th.testing.assert_close(extractor(batch).mean(0), th.zeros(6), atol=1e-4, rtol=0)
    extractor.eval()
    assert extractor(1000 * batch).abs().max() > 100
    assert "normalize.running_mean" in extractor.state_dict()
    with_identity = NormalizeFeaturesExtractor(OBS, th.nn.Identity)
    assert th.equal(with_identity(th.ones(2, 3)), th.ones(2, 3))


def test_names_of_environments_become_names_of_repositories(monkeypatch) -> None:
    asked = []

    def checkpoint(expert):
        asked.append((expert.repo, expert.algo, expert.kind))
        raise InvalidValueError("stop")

    monkeypatch.setattr("airl_cli.experts.hub.HubExpert.checkpoint", checkpoint)
    venv = SpacesVecEnv(OBS, ACTIONS[0])
    for more in ({}, {"organization": "sb3"}):
        with pytest.raises(InvalidValueError, match="stop"):
            load_policy("ppo-huggingface", venv, env_name="seals/CartPole-v0", **more)
    assert json.dumps(asked) == json.dumps(
        [
            ["HumanCompatibleAI/ppo-seals-CartPole-v0", "ppo", "model"],
            ["sb3/ppo-seals-CartPole-v0", "ppo", "model"],
        ]
    )

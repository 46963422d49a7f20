from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer

from airl_cli.algorithms.relabel import RelabelledReplayBuffer, RewardScale, relabel_rollout

OBS = spaces.Box(-1.0, 1.0, (2,), np.float32)


def filled_rollout_buffer() -> RolloutBuffer:
    buffer = RolloutBuffer(3, OBS, spaces.Discrete(2), device="cpu", gae_lambda=1.0, gamma=1.0)
    for step in range(3):
        bootstrap = np.array([10.0 if step == 1 else 0.0])
        obs, act = np.zeros((1, 2)), np.zeros((1, 1))
        buffer.add(obs, act, bootstrap, np.array([step == 2]), th.zeros(1), th.zeros(1))
    return buffer


def algorithm_with(buffer: RolloutBuffer, last_value: float) -> Any:
    policy = SimpleNamespace(
        obs_to_tensor=lambda obs: (th.as_tensor(obs), False),
        predict_values=lambda obs: th.full((len(obs), 1), last_value),
    )
    return SimpleNamespace(rollout_buffer=buffer, policy=policy)


def test_a_rollout_is_relabelled_before_its_advantages_and_keeps_the_bootstrap() -> None:
    buffer = filled_rollout_buffer()
    rewards = np.array([[1.0], [2.0], [4.0]])
    relabel_rollout(algorithm_with(buffer, 0.0), rewards, np.zeros((1, 2)), np.array([True]))
    assert buffer.rewards.flatten().tolist() == [1.0, 12.0, 4.0]
    assert buffer.returns.flatten().tolist() == [13.0, 12.0, 4.0]


def test_the_last_step_of_an_open_episode_bootstraps() -> None:
    buffer = filled_rollout_buffer()
    relabel_rollout(
        algorithm_with(buffer, 100.0), np.ones((3, 1)), np.zeros((1, 2)), np.array([False])
    )
    assert buffer.returns.flatten().tolist() == [12.0, 11.0, 101.0]


def test_replayed_transitions_carry_the_current_reward() -> None:
    plain = ReplayBuffer(10, OBS, OBS, device="cpu")
    reward = {"now": 1.0}
    buffer = RelabelledReplayBuffer(plain, lambda s: th.full_like(s.rewards, reward["now"]))
    zeros = np.zeros((1, 2), dtype=np.float32)
    buffer.add(zeros, zeros, zeros, np.array([7.0]), np.array([False]), [{}])
    assert buffer.pos == plain.pos == 1
    assert buffer.sample(4).rewards.flatten().tolist() == [1.0] * 4
    reward["now"] = 2.0
    assert buffer.sample(4).rewards.flatten().tolist() == [2.0] * 4
    assert plain.sample(1).rewards.item() == pytest.approx(7.0)


def test_rewards_are_divided_by_the_deviation_of_their_discounted_returns() -> None:
    scale = RewardScale(True, n_envs=4, discount=0.9)
    rewards = np.random.default_rng(0).normal(3.0, 5.0, (50, 4)).astype(np.float32)
    ends = np.zeros((50, 4), dtype=bool)
    ends[9::10] = True
    returns, running = [], np.zeros(4)
    for reward, end in zip(rewards, ends, strict=True):
        running = 0.9 * running + reward
        returns.append(running)
        running = np.where(end, 0.0, running)
    scaled = scale(rewards, ends)
    assert scale.scale == pytest.approx(np.std(returns), rel=1e-5)
    np.testing.assert_allclose(scaled * scale.scale, rewards, rtol=1e-5)


def test_a_reward_of_one_a_step_is_not_blown_up() -> None:
    scale = RewardScale(True, n_envs=1, discount=0.99)
    rewards = np.ones((200, 1), dtype=np.float32)
    assert scale(rewards, np.zeros((200, 1), dtype=bool)).max() < 1.0

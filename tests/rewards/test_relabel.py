import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer, RolloutBuffer

from airl_cli.rewards.relabel import price_rollouts, price_samples, unprice

OBS = spaces.Box(-1.0, 1.0, (2,), np.float32)


def filled_rollout_buffer() -> RolloutBuffer:
    buffer = RolloutBuffer(3, OBS, spaces.Discrete(2), device="cpu", gae_lambda=1.0, gamma=1.0)
    for step in range(3):
        bootstrap = np.array([10.0 if step == 1 else 0.0])
        obs, act = np.zeros((1, 2)), np.zeros((1, 1))
        buffer.add(obs, act, bootstrap, np.array([step == 2]), th.zeros(1), th.zeros(1))
    return buffer


def test_a_rollout_is_priced_before_its_advantages_and_keeps_the_bootstrap() -> None:
    buffer = filled_rollout_buffer()
    price_rollouts(buffer, lambda: np.array([[1.0], [2.0], [4.0]]))
    buffer.compute_returns_and_advantage(th.zeros(1), np.array([True]))
    assert buffer.rewards.flatten().tolist() == [1.0, 12.0, 4.0]
    assert buffer.returns.flatten().tolist() == [13.0, 12.0, 4.0]


def test_a_second_pricer_replaces_the_first() -> None:
    buffer = filled_rollout_buffer()
    price_rollouts(buffer, lambda: np.full((3, 1), 100.0))
    price_rollouts(buffer, lambda: np.ones((3, 1)))
    buffer.compute_returns_and_advantage(th.zeros(1), np.array([True]))
    assert buffer.rewards.flatten().tolist() == [1.0, 11.0, 1.0]


def test_an_unpriced_buffer_holds_what_the_environment_paid() -> None:
    buffer = filled_rollout_buffer()
    price_rollouts(buffer, lambda: np.ones((3, 1)))
    unprice(buffer)
    buffer.compute_returns_and_advantage(th.zeros(1), np.array([True]))
    assert buffer.rewards.flatten().tolist() == [0.0, 10.0, 0.0]


def test_replayed_transitions_carry_the_current_reward() -> None:
    buffer = ReplayBuffer(10, OBS, OBS, device="cpu")
    zeros = np.zeros((1, 2), dtype=np.float32)
    buffer.add(zeros, zeros, zeros, np.array([7.0]), np.array([False]), [{}])
    reward = {"now": 1.0}
    price_samples(buffer, lambda samples: th.full_like(samples.rewards, reward["now"]))
    assert buffer.sample(4).rewards.flatten().tolist() == [1.0] * 4
    reward["now"] = 2.0
    assert buffer.sample(4).rewards.flatten().tolist() == [2.0] * 4
    unprice(buffer)
    assert buffer.sample(1).rewards.item() == pytest.approx(7.0)

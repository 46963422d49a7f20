import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from airl_cli.envs.pendulum import PendulumPhysicsEnv
from airl_cli.errors import InvalidValueError


def test_gymnasium_accepts_it():
    check_env(PendulumPhysicsEnv(mass=2.0), skip_render_check=True)


def test_by_default_it_is_gymnasiums_pendulum_step_for_step():
    ours, theirs = gym.make("airl/Pendulum-v0"), gym.make("Pendulum-v1")
    (a, _), (b, _) = ours.reset(seed=0), theirs.reset(seed=0)
    np.testing.assert_array_equal(a, b)
    rng = np.random.default_rng(0)
    for _ in range(200):
        action = rng.uniform(-2, 2, 1).astype(np.float32)
        a, *ours_rest = ours.step(action)
        b, *theirs_rest = theirs.step(action)
        np.testing.assert_array_equal(a, b)
        assert ours_rest == theirs_rest
    assert ours_rest[2]  # truncated after 200 steps


def test_a_heavier_rod_is_turned_less_by_the_same_torque():
    speeds = []
    for mass in (1.0, 2.0):
        env = PendulumPhysicsEnv(mass=mass, gravity=0.0)
        env.reset(seed=0)
        before = env.state[1]
        env.step(np.array([1.0]))
        speeds.append(env.state[1] - before)
    assert speeds[0] == pytest.approx(2 * speeds[1])


def test_rewards_are_those_of_what_is_seen():
    env = PendulumPhysicsEnv(length=1.3)
    state, _ = env.reset(seed=1)
    rng = np.random.default_rng(1)
    for _ in range(100):
        action = rng.uniform(-3, 3, 1)
        next_state, reward, *_ = env.step(action)
        price = env.true_reward(state[None], action[None], next_state[None], np.zeros(1))
        assert price[0] == pytest.approx(reward, abs=1e-4)
        state = next_state


def test_a_rod_without_length_is_refused():
    with pytest.raises(InvalidValueError, match="length must be .*, got 0.0"):
        PendulumPhysicsEnv(length=0.0)

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from airl_cli.envs import EnvSpec
from airl_cli.envs.cart_pole import CartPolePhysicsEnv
from airl_cli.errors import InvalidValueError


def test_gymnasium_and_sb3_accept_it():
    env = gym.make("airl/CartPole-v0", length=1.0, disable_env_checker=True).unwrapped
    check_env(env, skip_render_check=True)
    check_env_for_sb3(env, warn=True)


@pytest.mark.filterwarnings("ignore:.*precision lowered")
@pytest.mark.parametrize("policy", ["random", "always right", "balancing"])
def test_by_default_it_is_seals_cart_pole_step_for_step(policy):
    import seals  # noqa: F401

    ours, theirs = gym.make("airl/CartPole-v0"), gym.make("seals/CartPole-v0")
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    for seed in range(2):
        (a, _), (b, _) = ours.reset(seed=seed), theirs.reset(seed=seed)
        np.testing.assert_array_equal(a, b)
        for _ in range(500):
            action = {
                "random": rng.integers(2),
                "always right": 1,
                "balancing": int(a[2] + 0.3 * a[3] + 0.05 * a[0] + 0.1 * a[1] > 0),
            }[policy]
            a, *ours_rest = ours.step(action)
            b, *theirs_rest = theirs.step(action)
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
            assert ours_rest == theirs_rest
        assert ours_rest[2]  # truncated after 500 steps, whatever happened


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 3), st.floats(0.5, 50), st.integers(0, 1))
def test_angles_stay_wrapped_and_rewards_are_those_of_what_is_seen(length, force, action):
    env = CartPolePhysicsEnv(length=length, force_mag=force)
    state, _ = env.reset(seed=0)
    for _ in range(150):
        next_state, reward, terminated, truncated, _ = env.step(action)
        assert not terminated
        assert not truncated
        assert env.observation_space.contains(next_state)
        assert abs(next_state[2]) <= np.float32(np.pi)
        price = env.true_reward(state[None], np.array([action]), next_state[None], np.zeros(1))
        assert reward == price[0]
        upright = abs(next_state[2]) < np.radians(12) and abs(next_state[0]) < 2.4
        assert reward == float(upright)
        state = next_state


def accelerations(**physics):
    """Of cart and pole under one push to the right, the pole leaning by 0.1 at rest."""
    env = CartPolePhysicsEnv(**physics)
    env.reset(seed=0)
    env.state = np.array([0.0, 0.0, 0.1, 0.0])
    state = env.step(1)[0]
    return state[1] / env.tau, state[3] / env.tau


@pytest.mark.parametrize(
    ("length", "masspole", "force_mag", "gravity"),
    [(0.5, 0.1, 10, 9.8), (1.0, 0.1, 5, 9.8), (0.3, 0.7, 2.5, 1.6), (2.0, 0.05, 30, 0.0)],
)
def test_the_physics_are_those_of_the_arguments(length, masspole, force_mag, gravity):
    """Lagrange's equations of a uniform rod on a cart of 1 kg, solved for the accelerations."""
    cos, sin = np.cos(0.1), np.sin(0.1)
    mass_matrix = [
        [1.0 + masspole, masspole * length * cos],
        [masspole * length * cos, 4 / 3 * masspole * length**2],
    ]
    expected = np.linalg.solve(mass_matrix, [force_mag, masspole * gravity * length * sin])
    got = accelerations(length=length, masspole=masspole, force_mag=force_mag, gravity=gravity)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("length", 0), ("masspole", -0.1), ("force_mag", np.inf), ("gravity", -1), ("length", np.nan)],
)
def test_physics_without_meaning_are_refused(name, value):
    with pytest.raises(InvalidValueError, match=f"{name} must be .*, got {value}"):
        EnvSpec("airl/CartPole-v0", kwargs={name: value}).make(0)

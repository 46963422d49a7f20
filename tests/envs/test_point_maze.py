import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from airl_cli.envs import EnvSpec, make_vec_env
from airl_cli.envs import point_maze as maze
from airl_cli.envs.point_maze import PointMazeEnv
from airl_cli.errors import InvalidValueError

BOTH = pytest.mark.parametrize("direction", ["left", "right"])
UP, DOWN, RIGHT, LEFT = (0, 1), (0, -1), (1, 0), (-1, 0)


def run(env, *pushes, seed=0):
    """Observations (steps + 1, 3) and rewards; pushes are `(action, steps)`."""
    obs, rews = [env.reset(seed=seed)[0]], []
    for action, steps in pushes:
        for _ in range(steps):
            ob, rew, terminated, truncated, _ = env.step(np.array(action, np.float32))
            assert not terminated
            assert not truncated
            obs.append(ob)
            rews.append(rew)
    return np.array(obs), np.array(rews)


@BOTH
def test_gymnasium_and_sb3_accept_it(direction):
    env = gym.make("airl/PointMaze-v0", direction=direction, disable_env_checker=True).unwrapped
    check_env(env, skip_render_check=True)
    check_env_for_sb3(env, warn=True)


def test_an_episode_lasts_100_steps_and_is_truncated():
    env = gym.make("airl/PointMaze-v0")
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


def test_it_starts_below_the_wall_nearly_at_rest_as_the_seed_says():
    env = PointMazeEnv()
    (first, _), (again, _), (other, _) = (run(env, ((0, 0), 1), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first[0], np.float32([0.3, 0, 0]))
    assert 0 < np.abs(first[1] - first[0]).max() <= 0.01 * 0.05
    assert first.dtype == np.float32
    assert env.observation_space.contains(first[0])


def test_damping_limits_the_speed_to_thrust_over_damping():
    env = PointMazeEnv("left")
    env.reset(seed=0)
    env._state = (0.0, 0.0, 1.0, 0.0)  # 1 N / (1 N s / m): neither faster nor slower
    env.step(np.array([1.0, 0.0]))
    np.testing.assert_allclose(env._state, (0.05, 0.0, 1.0, 0.0), atol=1e-12)
    # Newton's law with damping has the solution v = v_end (1 - exp(-t damping / mass)).
    env._state = (0.0, 0.0, 0.0, 0.0)
    for _ in range(3):
        env.step(np.array([0.5, 0.0]))
    exact = 0.5 * (1 - np.exp(-0.15 / 0.1130973))
    assert env._state[2] == pytest.approx(exact, rel=0.03)
    assert env._state[3] == 0


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([-1, -0.7, 0, 1]), st.sampled_from([-1, 0, 0.3, 1])), min_size=1
    ),
    st.integers(1, 25),
)
def test_no_thrust_gets_through_a_wall(direction, actions, hold):
    env = PointMazeEnv(direction)
    obs, _ = run(env, *((action, hold) for action in actions))
    x, y = obs[:, 0].astype(float), obs[:, 1].astype(float)
    assert min(x.min(), y.min()) >= -0.05 - 1e-6
    assert max(x.max(), y.max()) <= 0.55 + 1e-6
    low, high = {"left": (-0.1, 0.4), "right": (0.2, 0.6)}[direction]
    assert np.hypot(x - np.clip(x, low, high), y - 0.3).min() >= 0.05 - 1e-6
    crossings = np.flatnonzero((y[1:] > 0.3) != (y[:-1] > 0.3))
    for at in crossings:  # only where the way round is
        assert (x[at : at + 2].max() > 0.4) if direction == "left" else (x[at : at + 2].min() < 0.2)


@BOTH
def test_the_particle_slides_along_walls_and_leaves_them(direction):
    env = PointMazeEnv(direction)
    obs, _ = run(env, (UP, 20), ((-0.1, 1), 15), (DOWN, 3))
    assert obs[20, 1] == pytest.approx(0.25)  # stopped by the wall, a radius of both away
    np.testing.assert_allclose(obs[20:35, 1], 0.25, rtol=1e-6)
    assert -np.diff(obs[30:36, 0]).mean() == pytest.approx(0.1 * 0.05, rel=0.01)  # unhindered
    assert obs[-1, 1] < 0.2
    into_corner, _ = run(env, ((1, -1), 60), ((-1, 1), 3))
    np.testing.assert_allclose(into_corner[60], [0.55, -0.05, 0], atol=1e-6)
    assert (np.abs(into_corner[63] - into_corner[60])[:2] > 0.05).all()


@BOTH
def test_the_wall_ends_round(direction):
    side = 1 if direction == "left" else -1
    tip = 0.4 if direction == "left" else 0.2
    env = PointMazeEnv(direction)
    env.reset(seed=0)
    env._state = (tip + 0.02 * side, 0.2, 0.0, 0.0)
    for _ in range(60):  # straight up, onto the round end: it glances off
        env.step(np.array([0.0, 1.0]))
        x, y = env._state[:2]
        assert np.hypot(min((tip - x) * side, 0), y - 0.3) >= 0.05 - 1e-9
    assert y == pytest.approx(0.55)
    assert (x - tip) * side >= 0.05 - 1e-9


def test_the_way_round_is_on_the_other_side():
    to_the_right, to_the_left = (
        ((side, 0), 14, UP, 14, (-side, 0), 5) for side in (1, -1)
    )  # sideways, up, back
    for direction, open_way, closed_way in (
        ("left", to_the_right, to_the_left),
        ("right", to_the_left, to_the_right),
    ):
        env = PointMazeEnv(direction)
        ends = [
            run(env, *zip(way[::2], way[1::2], strict=True))[0][-1, 1]
            for way in (open_way, closed_way)
        ]
        assert ends[0] > 0.5
        assert ends[1] == pytest.approx(0.25)


def test_the_reward_is_the_distance_and_a_little_control():
    env = PointMazeEnv("right")
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    state = np.array([0.3, 0.0])
    for _ in range(50):
        action = rng.uniform(-1, 1, 2).astype(np.float32)
        ob, reward, *_ = env.step(action)
        expected = -np.linalg.norm(state - [0.3, 0.5]) - 0.001 * (action**2).sum()
        assert reward == pytest.approx(expected, abs=1e-6)
        state = ob[:2]
    acts = rng.uniform(-1, 1, (30, 2))
    obs, rews = run(env, *((act, 1) for act in acts))
    prices = env.true_reward(obs[:-1], acts, obs[1:], np.zeros(30, bool))
    np.testing.assert_allclose(prices, rews, atol=1e-6)


def test_returns_of_standing_and_of_pushing_against_the_wall():
    assert run(PointMazeEnv(), ((0, 0), 100))[1].sum() == pytest.approx(-50, abs=0.2)
    assert run(PointMazeEnv(), (UP, 100))[1].sum() == pytest.approx(-26.3, abs=0.2)


def test_thrust_beyond_the_bounds_is_clipped():
    a, b = (run(PointMazeEnv(), (act, 5)) for act in ((3, -7), (1, -1)))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


@BOTH
def test_reachable_is_where_the_particle_has_been_and_not_inside_walls(direction):
    env = PointMazeEnv(direction)
    rng = np.random.default_rng(1)
    obs, _ = run(env, *((act, 7) for act in rng.choice([-1.0, 1.0], (100, 2)) * 0.99))
    assert env.reachable(obs).all()
    blocked = np.array([[0.3, 0.3, 0], [0.3, 0.26, 0], [-0.08, 0.1, 0], [0.3, 0.58, 0]])
    assert not env.reachable(blocked).any()
    opening = 0.5 if direction == "left" else 0.05
    assert env.reachable(np.array([[opening, 0.3, 0], [0.3, 0.1, 0]])).all()
    assert not env.reachable(np.array([[0.55 - opening, 0.3, 0]])).any()


def test_pictures_show_wall_target_and_particle():
    env = gym.make("airl/PointMaze-v0", direction="right", render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(np.array([1.0, 1.0], np.float32))
    second = env.render()
    assert first.shape == (400, 400, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)

    def colour(x, y):
        column, row = ((position + 0.12) / 0.74 * 399 for position in (x, y))
        return tuple(first[round(399 - row), round(column)])

    assert colour(0.3, 0.0) == maze._BLUE
    assert colour(0.3, 0.5) == maze._GREEN
    assert colour(0.4, 0.3) == colour(-0.1, 0.2) == maze._GREY
    assert colour(0.0, 0.3) == maze._WHITE
    assert PointMazeEnv().render() is None


def test_specs_and_vectorised_environments_find_it():
    acts = np.random.default_rng(0).uniform(-1, 1, (5, 2, 2)).astype(np.float32)
    streams = []
    for parallel in (False, True):
        venv = make_vec_env(
            "airl/PointMaze-v0",
            rng=np.random.default_rng(0),
            n_envs=2,
            parallel=parallel,
            env_make_kwargs={"direction": "right"},
        )
        streams.append([venv.reset(), *(venv.step(act)[0] for act in acts)])
        venv.close()
    np.testing.assert_array_equal(*streams)
    assert EnvSpec("airl/PointMaze-v0", kwargs={"direction": "right"}, n_envs=1).make(0).get_attr(
        "direction"
    ) == ["right"]


def test_another_direction_is_refused():
    with pytest.raises(InvalidValueError, match="'up'.*\n.*left or right"):
        EnvSpec("airl/PointMaze-v0", kwargs={"direction": "up"}).make(0)

"""Rewards over two dimensions of the state."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.map import check_dimensions, check_limits, map_rewards, visited_range
from airl_cli.rewards.task import Episodes, Task

SPACE = spaces.Box(np.array([0, -5, 0, -1], np.float32), np.array([4, 5, 8, 1], np.float32))
TASK = Task("x-v0", SPACE, spaces.Discrete(2))


def episode(constant: float) -> TrajectoryWithRew:
    """The second of four numbers never varies; actions are 0 and 1 in turn."""
    obs = np.random.default_rng(0).uniform(0, 1, (11, 4)).astype(np.float32)
    obs[:, 1] = constant
    return TrajectoryWithRew(obs, np.arange(10) % 2, None, False, np.zeros(10))


EPISODES = Episodes([episode(0.5)], [episode(0.5)], [episode(0.5)])


def reward(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
    assert (next_state == state).all()
    return state[:, 0] + 100 * state[:, 2] + 1000 * state[:, 1]


def test_columns_are_the_first_dimension_and_rows_the_second() -> None:
    found = map_rewards(reward, EPISODES, TASK, resolution=5, limits=[[0, 4], [0, 8]])
    assert found is not None
    assert found.dimensions == [0, 2]  # the first two that vary
    assert found.x.tolist() == [0, 1, 2, 3, 4]
    assert found.y.tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_allclose(found.learned, 500 + found.x[None, :] + 100 * found.y[:, None])
    assert found.true is None


def test_dimensions_can_be_chosen_in_any_order() -> None:
    found = map_rewards(
        reward, EPISODES, TASK, dimensions=[2, 1], resolution=3, limits=[[0, 8], [-5, 5]]
    )
    assert found is not None
    assert (found.x.tolist(), found.y.tolist()) == ([0, 4, 8], [-5, 0, 5])
    mean = EPISODES.demonstrations[0].obs[:, 0].mean()
    expected = mean + 100 * found.x[None, :] + 1000 * found.y[:, None]
    np.testing.assert_allclose(found.learned, expected, rtol=1e-5)


def test_what_cannot_be_reached_has_no_reward() -> None:
    task = replace(TASK, reachable=lambda states: states[:, 0] < 3, true_reward=reward)
    found = map_rewards(reward, EPISODES, task, resolution=5)
    assert found is not None
    for rewards in (found.learned, found.true):
        assert rewards is not None
        np.testing.assert_array_equal(np.isnan(rewards), np.tile(found.x >= 3, (5, 1)))


def test_rewards_of_actions_are_averaged_as_the_demonstrations_take_them() -> None:
    found = map_rewards(lambda s, a, t, d: 1.0 * a, EPISODES, TASK, resolution=3)
    assert found is not None
    assert 0.2 < found.learned[0, 0] < 0.8
    assert (found.learned == found.learned[0, 0]).all()


def test_there_is_no_map_of_fewer_than_two_dimensions() -> None:
    still = replace(EPISODES.demonstrations[0], obs=np.zeros((11, 4), np.float32))
    assert map_rewards(reward, Episodes([still], [still], [still]), TASK) is None
    images = replace(TASK, observation_space=spaces.Box(0, 255, (8, 8, 3), np.uint8))
    assert map_rewards(reward, EPISODES, images) is None
    numbers = replace(TASK, observation_space=spaces.Discrete(4))
    assert map_rewards(reward, EPISODES, numbers) is None


@pytest.mark.parametrize("dimensions", [[0], [0, 0], [0, 4], [-1, 0], [0, 1, 2]])
def test_dimensions_that_the_state_does_not_have_are_refused(dimensions: list[int]) -> None:
    with pytest.raises(InvalidValueError, match="not two dimensions"):
        check_dimensions(dimensions, TASK)


def test_axes_are_named_where_the_environment_names_them() -> None:
    assert TASK.name_of(2) == "state[2]"
    assert replace(TASK, observation_names=("a", "b", "c (m)")).name_of(2) == "c (m)"


def test_the_map_shows_what_demonstrations_and_learner_visited() -> None:
    """Not where random actions led, nor all that the space allows; a little more, within it."""

    def walk(*states: list[float]) -> Trajectory:
        return Trajectory(np.array(states), np.zeros(len(states) - 1), None, False)

    far = Episodes([walk([0, 0], [1, 2])], [walk([-1, 1], [0, 1])], [walk([-9, 9], [9, 9])])
    space = spaces.Box(np.array([-1.02, -50]), np.array([50, 50]), dtype=np.float64)
    found = visited_range(space, far)
    np.testing.assert_allclose(found, [[-1.02, 1.1], [-0.1, 2.1]])


@pytest.mark.parametrize("limits", [[[0, 1]], [[1, 0], [0, 1]], [[0, 1], [2]]])
def test_limits_are_two_pairs(limits: list[list[float]]) -> None:
    with pytest.raises(InvalidValueError, match="heat_map.limits"):
        check_limits(limits)

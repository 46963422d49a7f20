"""Distributions of transitions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.coverage import Mixture, ReachableGrid, UniformBox
from airl_cli.rewards.task import Episodes, Task, agrees, plausible_range, uniform_actions

SPACE = spaces.Box(np.array([-1, -np.inf], np.float32), np.array([3, np.inf], np.float32))
ACTIONS = spaces.Box(-2.0, 2.0, (1,), np.float32)


def walk(start: float, length: int = 20, terminal: bool = False) -> TrajectoryWithRew:
    """States [start + t, 5 start], actions -start, rewards start + t."""
    x = np.linspace(start, start + 0.5, length + 1)
    obs = np.stack([x, np.full(length + 1, 5 * start)], axis=1).astype(np.float32)
    acts = np.full((length, 1), -start, np.float32)
    return TrajectoryWithRew(obs, acts, None, terminal, x[:-1])


@pytest.fixture
def episodes() -> Episodes:
    return Episodes([walk(0.0), walk(0.1)], [walk(1.0)], [walk(2.0, terminal=True)])


@pytest.fixture
def task() -> Task:
    return Task("x-v0", SPACE, ACTIONS)


def test_a_mixture_holds_real_transitions_in_the_given_shares(
    episodes: Episodes, task: Task
) -> None:
    found = Mixture(n_samples=3000, demonstrations=2, learner=1, random=0).sample(episodes, task, 0)
    assert len(found.state) == len(found.rewards) == 3000
    assert (found.state[:, 1] < 2).mean() == pytest.approx(2 / 3, abs=0.03)
    np.testing.assert_allclose(found.next_state[:, 0] - found.state[:, 0], 0.025, atol=1e-5)
    np.testing.assert_allclose(found.rewards, found.state[:, 0], atol=1e-6)
    np.testing.assert_allclose(5 * found.action[:, 0], -found.state[:, 1], atol=1e-6)
    assert not found.done.any()
    assert found.states is found.state
    assert found.description["weights"] == {"demonstrations": 2, "learner": 1, "random": 0}


def test_a_mixture_keeps_terminal_flags(episodes: Episodes, task: Task) -> None:
    found = Mixture(n_samples=400, demonstrations=0, learner=0).sample(episodes, task, 0)
    np.testing.assert_array_equal(found.done, found.state[:, 0] > 2.47)
    assert found.done.any()


def test_demonstrations_without_rewards_leave_the_true_reward_unknown(
    episodes: Episodes, task: Task
) -> None:
    bare = [Trajectory(e.obs, e.acts, None, False) for e in episodes.demonstrations]
    episodes = replace(episodes, demonstrations=bare)
    assert Mixture(n_samples=50).sample(episodes, task, 0).rewards is None
    assert Mixture(n_samples=50, demonstrations=0).sample(episodes, task, 0).rewards is not None


@pytest.mark.parametrize("coverage", [Mixture(50), UniformBox(50), ReachableGrid(9)])
def test_the_seed_decides_the_sample(coverage: Any, episodes: Episodes, task: Task) -> None:
    task = replace(task, reachable=lambda states: np.ones(len(states), bool))
    same, again, other = (coverage.sample(episodes, task, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(same.next_state, again.next_state)
    np.testing.assert_array_equal(same.action, again.action)
    assert (same.next_state != other.next_state).any()


def test_a_box_fills_what_the_episodes_span(episodes: Episodes, task: Task) -> None:
    found = UniformBox(n_samples=4000).sample(episodes, task, 0)
    for states in (found.state, found.next_state):
        assert states.dtype == np.float32
        np.testing.assert_allclose(states.min(0), [0, 0], atol=0.02)
        np.testing.assert_allclose(states.max(0), [2.5, 10], atol=0.02)
    everything = np.concatenate([found.state, found.action, found.next_state], axis=1)
    off_diagonal = np.corrcoef(everything.T) - np.eye(5)
    assert np.abs(off_diagonal).max() < 0.06  # each independent of the others
    assert np.abs(found.action).max() == pytest.approx(2, abs=0.01)
    assert found.rewards is None


def test_a_box_can_be_given(episodes: Episodes, task: Task) -> None:
    found = UniformBox(500, low=[-1, 3], high=[0, 3]).sample(episodes, task, 0)
    assert (found.state[:, 0] <= 0).all()
    assert (found.state[:, 1] == 3).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"low": [0]}, "low has 1"), ({"low": [0, 9], "high": [1, 8]}, "above")],
)
def test_a_box_that_is_none_is_refused(
    options: dict, message: str, episodes: Episodes, task: Task
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        UniformBox(10, **options).sample(episodes, task, 0)


def left_half(states: np.ndarray) -> np.ndarray:
    return states[:, 0] <= 1


def test_a_grid_holds_every_reachable_state_once(episodes: Episodes, task: Task) -> None:
    task = replace(task, reachable=left_half)
    found = ReachableGrid(points_per_dimension=5).sample(episodes, task, 0)
    # x has bounds, -1 to 3; y has none, 0 to 10 was seen
    expected = {(x, y) for x in (-1, 0, 1) for y in (0, 2.5, 5, 7.5, 10)}
    assert len(found.state) == 15
    assert set(map(tuple, found.state.tolist())) == expected
    assert set(map(tuple, found.next_state.tolist())) <= expected
    assert found.description["n_samples"] == 15


def test_a_grids_other_dimensions_stay_at_the_demonstrations_mean(
    episodes: Episodes, task: Task
) -> None:
    grid = ReachableGrid(points_per_dimension=5, dimensions=[0])
    found = grid.sample(episodes, replace(task, reachable=left_half), 0)
    assert found.state[:, 0].tolist() == [-1, 0, 1]
    np.testing.assert_allclose(found.state[:, 1], 0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points_per_dimension": 400}, "more than 100000"),
        ({"dimensions": [2]}, "0 to 1"),
        ({"dimensions": []}, "0 to 1"),
        ({"points_per_dimension": 2, "dimensions": [0]}, "1 states of the grid"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(
    options: dict, message: str, episodes: Episodes, task: Task
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        ReachableGrid(**options).sample(episodes, replace(task, reachable=left_half), 0)


def test_a_grid_needs_an_environment_that_knows_its_states(episodes: Episodes, task: Task) -> None:
    with pytest.raises(InvalidValueError, match="x-v0 does not say which states are reachable"):
        ReachableGrid().sample(episodes, task, 0)


def test_a_box_needs_vectors(episodes: Episodes, task: Task) -> None:
    task = replace(task, observation_space=spaces.Box(0, 255, (8, 8, 3), np.uint8))
    with pytest.raises(InvalidValueError, match="needs vectors"):
        UniformBox().sample(episodes, task, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(n_samples=1), "n_samples=1"),
        (lambda: Mixture(learner=-1), "learner=-1"),
        (lambda: Mixture(demonstrations=0, learner=0, random=0), "all weights"),
        (lambda: UniformBox(n_samples=0), "n_samples=0"),
        (lambda: ReachableGrid(points_per_dimension=1), "points_per_dimension=1"),
    ],
)
def test_numbers_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()


def test_uniform_actions_cover_the_space() -> None:
    rng = np.random.default_rng(0)
    discrete = uniform_actions(spaces.Discrete(3, start=5), np.array([5]), 600, rng)
    values, counts = np.unique(discrete, return_counts=True)
    assert values.tolist() == [5, 6, 7]
    assert counts.min() > 150
    unbounded = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    recorded = np.array([[0.0, -3.0], [1.0, -2.0]])
    drawn = uniform_actions(unbounded, recorded, 600, rng)
    np.testing.assert_allclose([drawn.min(0), drawn.max(0)], recorded, atol=0.02)
    assert uniform_actions(spaces.MultiBinary(4), np.zeros((1, 4)), 7, rng).shape == (7, 4)


def test_bounds_that_mean_any_number_are_none() -> None:
    high = np.array([1, 3e38, np.inf], np.float32)
    seen = np.array([[-0.5, -7.0, 2.0], [0.5, 8.0, 3.0]])
    low, high = plausible_range(spaces.Box(-high, high), seen)
    assert low.tolist() == [-1, -7, 2]
    assert high.tolist() == [1, 8, 3]


def test_a_true_reward_that_the_steps_did_not_give_is_found_out(episodes: Episodes) -> None:
    def true(state: np.ndarray, *rest: Any) -> np.ndarray:
        return state[:, 0]

    assert agrees(true, episodes)
    assert not agrees(lambda *transition: 1.1 * true(*transition), episodes)
    assert not agrees(lambda *transition: true(*transition) + 0.1, episodes)

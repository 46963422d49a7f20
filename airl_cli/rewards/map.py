"""A reward over two dimensions of the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.compare import RewardFunction, mean_over_actions
from airl_cli.rewards.task import (
    Episodes,
    Task,
    grid_states,
    mean_state,
    varying,
    vector_space,
)

_N_ACTIONS = 32
_MARGIN = 0.05


@dataclass(frozen=True)
class RewardMap:
    """Rewards over a plane through the demonstrations' mean state.

    Attributes:
        dimensions: The two of the state that vary: columns and rows.
        x: Coordinates of the columns (n,).
        y: Coordinates of the rows (n,).
        learned: Rewards (n, n), rows first; NaN where a state cannot be reached.
        true: Likewise; None where the environment does not offer its reward.
    """

    dimensions: list[int]
    x: np.ndarray
    y: np.ndarray
    learned: np.ndarray
    true: np.ndarray | None


def map_rewards(
    learned: RewardFunction,
    episodes: Episodes,
    task: Task,
    *,
    dimensions: Sequence[int] | None = None,
    limits: Sequence[Sequence[float]] | None = None,
    resolution: int = 100,
    seed: int = 0,
) -> RewardMap | None:
    """Rewards of the states of a grid, as means over actions from the demonstrations.

    The state itself stands for the next state, which is not known.

    Args:
        learned: A reward net's `predict`, for example.
        episodes: Give the plane's place, its extent and the actions.
        task: The environment.
        dimensions: Two of the state's; by default the first two that vary in the episodes.
        limits: Lower and upper end of each of the two; by default what demonstrations and learner
            visited, and a little more.
        resolution: Points along each axis.
        seed: Of the actions' sample.

    Returns:
        None where states are no vectors with two dimensions that vary, unless `dimensions` are
        given.

    Raises:
        InvalidValueError: If `dimensions` are not two different ones of the state's.
    """
    chosen = _dimensions(episodes, task, dimensions)
    if chosen is None:
        return None
    visited = visited_range(vector_space(task, "heat_map"), episodes)[chosen]
    ends = visited if limits is None else np.array(limits)
    x, y = (np.linspace(low, high, resolution) for low, high in ends)
    states = grid_states(mean_state(episodes), chosen[::-1], (y, x))
    states = states.astype(task.observation_space.dtype)
    recorded = np.concatenate([episode.acts for episode in episodes.demonstrations])
    actions = recorded[np.random.default_rng(seed).integers(len(recorded), size=_N_ACTIONS)]
    hidden = None if task.reachable is None else ~task.reachable(states)

    def on_grid(reward: RewardFunction) -> np.ndarray:
        rewards = mean_over_actions(reward, states, actions)
        if hidden is not None:
            rewards[hidden] = np.nan
        return rewards.reshape(resolution, resolution)

    true = None if task.true_reward is None else on_grid(task.true_reward)
    return RewardMap(chosen, x, y, on_grid(learned), true)


def visited_range(space: spaces.Box, episodes: Episodes) -> np.ndarray:
    """Lower and upper ends (d, 2) of what demonstrations and learner visited, with a margin.

    Random actions may lead far away, where the reward was hardly trained.
    """
    seen = np.concatenate([e.obs for e in (*episodes.demonstrations, *episodes.learner)])
    low, high = seen.min(axis=0).astype(np.float64), seen.max(axis=0).astype(np.float64)
    margin = np.where(high > low, _MARGIN * (high - low), 1.0)
    ends = np.maximum(low - margin, space.low), np.minimum(high + margin, space.high)
    return np.stack(ends, axis=1)


def check_limits(limits: Sequence[Sequence[float]]) -> None:
    """Refuses what cannot be the limits of a map.

    Raises:
        InvalidValueError: If they are not two pairs of a lower and an upper end.
    """
    if len(limits) == 2 and all(len(ends) == 2 and ends[0] < ends[1] for ends in limits):
        return
    raise InvalidValueError(
        f"heat_map.limits={[list(ends) for ends in limits]} are not a lower and an upper end for "
        "each of two dimensions.",
        "Write them as heat_map.limits=[[-1,1],[0,5]].",
    )


def _dimensions(episodes: Episodes, task: Task, asked: Sequence[int] | None) -> list[int] | None:
    if asked is None:
        if task.observation_space.shape is None or len(task.observation_space.shape) != 1:
            return None
        first_two = varying(episodes.states())[:2]
        return first_two if len(first_two) == 2 else None
    check_dimensions(asked, task)
    return list(asked)


def check_dimensions(dimensions: Sequence[int], task: Task) -> None:
    """Refuses what cannot be the axes of a map.

    Raises:
        InvalidValueError: If they are not two different ones of the state's.
    """
    size = vector_space(task, "heat_map.dimensions").shape[0]
    if len(dimensions) != 2 or len(set(dimensions)) != 2 or not _all_below(size, dimensions):
        raise InvalidValueError(
            f"heat_map.dimensions={list(dimensions)} are not two dimensions of the state.",
            f"Choose two different ones of 0 to {size - 1}.",
        )


def _all_below(size: int, dimensions: Sequence[int]) -> bool:
    return all(0 <= dimension < size for dimension in dimensions)

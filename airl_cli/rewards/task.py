"""What a reward is for: an environment's spaces and true reward, and episodes from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from airl_cli.data.rollout import flatten_trajectories_with_rew
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.compare import RewardFunction

_UNBOUNDED = 1e6  # larger bounds than this mean "any number", as of CartPole's velocities


@dataclass(frozen=True)
class Episodes:
    """Whole episodes of the three policies that rewards are compared on.

    Attributes:
        demonstrations: Of the expert, as training saw them; with or without rewards.
        learner: Of the trained policy.
        random: Of uniformly random actions.
    """

    demonstrations: Sequence[Trajectory]
    learner: Sequence[TrajectoryWithRew]
    random: Sequence[TrajectoryWithRew]

    def by_source(self) -> dict[str, Sequence[Trajectory]]:
        """Episodes by name."""
        return {
            "demonstrations": self.demonstrations,
            "learner": self.learner,
            "random": self.random,
        }

    def states(self) -> np.ndarray:
        """Every observation (n, *observation shape)."""
        return np.concatenate([e.obs for part in self.by_source().values() for e in part])

    def actions(self) -> np.ndarray:
        """Every action (n, *action shape)."""
        return np.concatenate([e.acts for part in self.by_source().values() for e in part])


@dataclass(frozen=True)
class Task:
    """What is known of an environment without stepping it.

    Attributes:
        id: Its registered name.
        observation_space: Of one environment.
        action_space: Likewise.
        true_reward: Of arbitrary transitions; None where the environment does not offer it.
        reachable: From observations (n, ...) to booleans (n,); None likewise.
        observation_names: Of the numbers in an observation, with units; None likewise.
    """

    id: str
    observation_space: spaces.Space
    action_space: spaces.Space
    true_reward: RewardFunction | None = None
    reachable: Callable[[np.ndarray], np.ndarray] | None = None
    observation_names: Sequence[str] | None = None

    def name_of(self, dimension: int) -> str:
        """Name of a dimension of the state, for the axis of a plot."""
        names = self.observation_names
        return f"state[{dimension}]" if names is None else names[dimension]


def vector_space(task: Task, what: str) -> spaces.Box:
    """The observation space, if its observations are vectors of numbers.

    Raises:
        InvalidValueError: If they are not; `what` needs them.
    """
    space = task.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space
    raise InvalidValueError(
        f"{what} needs vectors as observations; {task.id} has {space}.", "Use coverage=mixture."
    )


def varying(states: np.ndarray) -> list[int]:
    """The dimensions in which states (n, d) differ."""
    return [int(i) for i in np.flatnonzero(np.ptp(states, axis=0) > 0)]


def mean_state(episodes: Episodes) -> np.ndarray:
    """The demonstrations' mean state (d,)."""
    return np.concatenate([e.obs for e in episodes.demonstrations]).mean(axis=0, dtype=np.float64)


def plausible_range(space: spaces.Box, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (d,): the space's bounds, or what was seen where it has none."""
    bounded = (np.abs(space.low) < _UNBOUNDED) & (np.abs(space.high) < _UNBOUNDED)
    low = np.where(bounded, space.low, seen.min(axis=0))
    return low.astype(np.float64), np.where(bounded, space.high, seen.max(axis=0)).astype(float)


def grid_states(
    centre: np.ndarray, dimensions: Sequence[int], axes: Sequence[np.ndarray]
) -> np.ndarray:
    """All combinations of `axes` in the given dimensions, the rest as in `centre`.

    Args:
        centre: A state (d,).
        dimensions: As many as axes.
        axes: Coordinates (n_i,).

    Returns:
        States (prod n_i, d); the last axis varies fastest.
    """
    mesh = np.meshgrid(*axes, indexing="ij")
    states = np.tile(centre, (mesh[0].size, 1))
    for dimension, coordinates in zip(dimensions, mesh, strict=True):
        states[:, dimension] = coordinates.ravel()
    return states


def uniform_actions(
    space: spaces.Space, recorded: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Uniform actions (n, *action shape); within what was recorded where the space is unbounded."""
    if isinstance(space, spaces.Box):
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low = np.where(bounded, space.low, recorded.min(axis=0))
        high = np.where(bounded, space.high, recorded.max(axis=0))
        return rng.uniform(low, high, (n, *space.shape)).astype(space.dtype)
    space = copy.deepcopy(space)
    space.seed(int(rng.integers(2**31)))
    return np.stack([np.asarray(space.sample()) for _ in range(n)])


def agrees(true_reward: RewardFunction, episodes: Episodes) -> bool:
    """Whether a true reward gives the rewards that learner and random actions got.

    It does not where a wrapper changes rewards or observations. One transition in a hundred may
    differ: observations are rounded to float32, which matters at the edge of a threshold.
    """
    seen = flatten_trajectories_with_rew([*episodes.learner, *episodes.random])
    given = true_reward(seen.obs, seen.acts, seen.next_obs, seen.dones)
    tolerance = 1e-3 * max(float(np.abs(seen.rews).max()), 1e-3)
    return bool((np.abs(given - seen.rews) <= tolerance).mean() >= 0.99)

"""Distributions of transitions that rewards are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from airl_cli.data.transitions import flatten_trajectories, flatten_trajectories_with_rew
from airl_cli.data.types import Trajectory, TrajectoryWithRew, Transitions, TransitionsWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.rewards.compare import CoverageSample
from airl_cli.rewards.task import (
    Episodes,
    Task,
    grid_states,
    mean_state,
    plausible_range,
    uniform_actions,
    varying,
    vector_space,
)

MAX_GRID_POINTS = 100_000


class Coverage(Protocol):
    """A distribution of transitions."""

    def sample(self, episodes: Episodes, task: Task, seed: int) -> CoverageSample:
        """Transitions from the distribution.

        Args:
            episodes: From the environment.
            task: The environment.
            seed: Determines the sample.

        Raises:
            InvalidValueError: If the environment does not have what the distribution needs.
        """


@dataclass(frozen=True)
class Mixture:
    """Transitions from episodes of demonstrations, learner and random actions.

    Attributes:
        n_samples: Transitions, drawn with replacement.
        demonstrations: Weight of the demonstrations in the mixture.
        learner: Weight of the learner's transitions.
        random: Weight of the transitions by random actions.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    n_samples: int = 4096
    demonstrations: float = 1.0
    learner: float = 1.0
    random: float = 1.0

    def __post_init__(self) -> None:
        _check_at_least(2, n_samples=self.n_samples)
        _check_at_least(0, **self._weights)
        if sum(self._weights.values()) == 0:
            raise InvalidValueError(
                "coverage: all weights of the mixture are 0.", "Set coverage.demonstrations=1."
            )

    @property
    def _weights(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("demonstrations", "learner", "random")}

    def sample(self, episodes: Episodes, task: Task, seed: int) -> CoverageSample:
        """As `Coverage.sample`; single states and actions have the mixture's own distributions."""
        rng = np.random.default_rng(seed)
        weights = np.array(list(self._weights.values()))
        counts = rng.multinomial(self.n_samples, weights / weights.sum())
        drawn = []
        for count, part in zip(counts, episodes.by_source().values(), strict=True):
            if count:
                drawn.append(_flatten(part)[rng.integers(sum(map(len, part)), size=count)])
        state, action, next_state, done = (
            np.concatenate([getattr(part, name) for part in drawn])
            for name in ("obs", "acts", "next_obs", "dones")
        )
        known = [part.rews for part in drawn if isinstance(part, TransitionsWithRew)]
        rewards = np.concatenate(known) if len(known) == len(drawn) else None
        description = {
            "distribution": "mixture of sampled transitions",
            "weights": self._weights,
            "n_episodes": {name: len(part) for name, part in episodes.by_source().items()},
            "n_samples": self.n_samples,
        }
        return CoverageSample(state, action, next_state, done, state, action, rewards, description)


@dataclass(frozen=True)
class UniformBox:
    """State, action and next state each uniform and independent of the others.

    Attributes:
        n_samples: Transitions.
        low: Lower ends of the states' ranges; null: the smallest box that holds the episodes.
        high: Upper ends likewise.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    n_samples: int = 4096
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None

    def __post_init__(self) -> None:
        _check_at_least(2, n_samples=self.n_samples)

    def sample(self, episodes: Episodes, task: Task, seed: int) -> CoverageSample:
        """As `Coverage.sample`; needs vectors as observations."""
        rng = np.random.default_rng(seed)
        space = vector_space(task, "coverage=box")
        seen = episodes.states()
        low = self._ends("low", self.low, seen.min(axis=0))
        high = self._ends("high", self.high, seen.max(axis=0))
        if (low > high).any():
            raise InvalidValueError(
                f"coverage.low={low.tolist()} is above coverage.high={high.tolist()}."
            )
        size = (self.n_samples, *space.shape)
        state, next_state = (rng.uniform(low, high, size).astype(space.dtype) for _ in range(2))
        action = uniform_actions(task.action_space, episodes.actions(), self.n_samples, rng)
        description = {
            "distribution": "s, a and s' uniform, each independent of the others",
            "low": low,
            "high": high,
            "n_samples": self.n_samples,
        }
        done = np.zeros(self.n_samples, bool)
        return CoverageSample(
            state, action, next_state, done, state, action, description=description
        )

    def _ends(self, name: str, asked: Sequence[float] | None, seen: np.ndarray) -> np.ndarray:
        ends = np.asarray(seen if asked is None else asked, dtype=np.float64)
        if ends.shape != seen.shape:
            raise InvalidValueError(
                f"coverage.{name} has {ends.size} numbers; a state has {seen.size}."
            )
        return ends


@dataclass(frozen=True)
class ReachableGrid:
    """Every reachable state of a uniform grid once; action and next state uniform, independent.

    Attributes:
        points_per_dimension: Of the grid, before unreachable states are left out.
        dimensions: Those that the grid varies, the rest stays at the demonstrations' mean; null:
            all that vary in the episodes.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    points_per_dimension: int = 50
    dimensions: Sequence[int] | None = None

    def __post_init__(self) -> None:
        _check_at_least(2, points_per_dimension=self.points_per_dimension)

    def sample(self, episodes: Episodes, task: Task, seed: int) -> CoverageSample:
        """As `Coverage.sample`; needs an environment that knows which states are reachable."""
        if task.reachable is None:
            raise InvalidValueError(
                f"{task.id} does not say which states are reachable, so coverage=grid has no grid.",
                "Use coverage=box or coverage=mixture.",
            )
        rng = np.random.default_rng(seed)
        dimensions, low, high = self._axes(episodes, task)
        axes = [np.linspace(low[i], high[i], self.points_per_dimension) for i in dimensions]
        points = grid_states(mean_state(episodes), dimensions, axes)
        states = points[task.reachable(points)].astype(task.observation_space.dtype)
        if len(states) < 2:
            raise InvalidValueError(
                f"{len(states)} states of the grid are reachable.",
                "Set coverage.points_per_dimension to a larger number.",
            )
        n = len(states)
        action = uniform_actions(task.action_space, episodes.actions(), n, rng)
        description = {
            "distribution": "uniform grid of reachable states; a and s' uniform, independent",
            "dimensions": dimensions,
            "low": [low[i] for i in dimensions],
            "high": [high[i] for i in dimensions],
            "points_per_dimension": self.points_per_dimension,
            "n_samples": n,
        }
        next_state = states[rng.integers(n, size=n)]
        done = np.zeros(n, bool)
        return CoverageSample(
            states, action, next_state, done, states, action, description=description
        )

    def _axes(self, episodes: Episodes, task: Task) -> tuple[list[int], np.ndarray, np.ndarray]:
        space = vector_space(task, "coverage=grid")
        seen = episodes.states()
        dimensions = varying(seen) if self.dimensions is None else list(self.dimensions)
        if not dimensions or not all(0 <= i < space.shape[0] for i in dimensions):
            raise InvalidValueError(
                f"coverage.dimensions={dimensions}: the state has dimensions 0 to "
                f"{space.shape[0] - 1}."
            )
        if self.points_per_dimension ** len(dimensions) > MAX_GRID_POINTS:
            raise InvalidValueError(
                f"a grid of {self.points_per_dimension} points in each of {len(dimensions)} "
                f"dimensions has more than {MAX_GRID_POINTS}.",
                "Set coverage.points_per_dimension to less, or choose coverage.dimensions=[0,1].",
            )
        low, high = plausible_range(space, seen)
        return dimensions, low, high


def _flatten(episodes: Sequence[Trajectory]) -> Transitions:
    """With rewards where all episodes have them: demonstrations may come without."""
    known = [episode for episode in episodes if isinstance(episode, TrajectoryWithRew)]
    if len(known) == len(episodes):
        return flatten_trajectories_with_rew(known)
    return flatten_trajectories(episodes)


def _check_at_least(low: int, **numbers: float) -> None:
    for name, value in numbers.items():
        if value < low:
            raise InvalidValueError(
                f"coverage.{name}={value} is out of range.", f"It must be {low} or more."
            )

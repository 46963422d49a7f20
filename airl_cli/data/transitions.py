"""Trajectories as single transitions: all of them, or every k-th of each episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from airl_cli.data.types import (
    Trajectory,
    TrajectoryWithRew,
    Transitions,
    TransitionsWithRew,
    as_object_array,
)
from airl_cli.errors import InvalidValueError
from airl_cli.limits import Count, check_limit


def no_actions(n: int) -> np.ndarray:
    """What stands for `n` actions that are not known (n, 0)."""
    return np.zeros((n, 0), np.float32)


def has_actions(acts: Any) -> bool:
    """Whether an array or tensor (n, ...) holds actions that are known."""
    return tuple(acts.shape[1:]) != (0,)


class WithoutActions(Sequence[Trajectory]):
    """Trajectories whose actions are left out; each is asked for when it is needed.

    Args:
        trajectories: With or without actions.
    """

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self._trajectories = trajectories

    def __len__(self) -> int:
        return len(self._trajectories)

    def __getitem__(self, index: Any) -> Any:
        found = self._trajectories[index]
        if isinstance(index, slice):
            return WithoutActions(found)
        return dataclasses.replace(found, acts=no_actions(len(found)), infos=None)


def with_some_actions(trajectory: Trajectory, space: Space[Any]) -> Trajectory:
    """A trajectory as it is, or with zeros in the place of actions that are not known.

    Args:
        trajectory: With or without actions.
        space: Of the actions.
    """
    if has_actions(trajectory.acts):
        return trajectory
    zeros = np.zeros((len(trajectory), *(space.shape or ())), space.dtype)
    return dataclasses.replace(trajectory, acts=zeros)


class RowsWithoutActions:
    """Transitions in a file, whose actions are left out.

    Args:
        rows: With `len` and `rows(index)`.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, index: np.ndarray) -> dict[str, Any]:
        """The fields of the transitions with these numbers (n,)."""
        return {**self._rows.rows(index), "acts": no_actions(len(index))}


def flatten_trajectories(trajectories: Iterable[Trajectory]) -> Transitions:
    """All transitions of `trajectories`, in their order.

    `dones` is true only for the last transition of a trajectory that ended in a terminal state.
    A trajectory without infos gets an empty dict for each transition.

    Raises:
        InvalidValueError: If there are no trajectories, or their shapes differ.
    """
    return Transitions(**_fields(list(trajectories)))


def flatten_trajectories_with_rew(trajectories: Iterable[TrajectoryWithRew]) -> TransitionsWithRew:
    """Like `flatten_trajectories`, with the rewards."""
    trajectories = list(trajectories)
    fields = _fields(trajectories)
    return TransitionsWithRew(**fields, rews=np.concatenate([t.rews for t in trajectories]))


def _fields(trajectories: Sequence[Trajectory]) -> dict[str, Any]:
    if not trajectories:
        raise InvalidValueError("there are no trajectories to flatten.")
    for name in ("obs", "acts"):
        shapes = {getattr(trajectory, name).shape[1:] for trajectory in trajectories}
        if len(shapes) > 1:
            raise InvalidValueError(
                f"the trajectories' {name} have different shapes: {sorted(shapes)}.",
                "Trajectories used together must come from the same environment.",
            )
    last = np.cumsum([len(trajectory) for trajectory in trajectories]) - 1
    dones = np.zeros(last[-1] + 1, dtype=bool)
    dones[last] = [trajectory.terminal for trajectory in trajectories]
    return {
        "obs": np.concatenate([trajectory.obs[:-1] for trajectory in trajectories]),
        "acts": np.concatenate([trajectory.acts for trajectory in trajectories]),
        "infos": np.concatenate([_infos(trajectory) for trajectory in trajectories]),
        "next_obs": np.concatenate([trajectory.obs[1:] for trajectory in trajectories]),
        "dones": dones,
    }


def _infos(trajectory: Trajectory) -> np.ndarray:
    if trajectory.infos is None:
        return as_object_array([{}] * len(trajectory))  # one dict, so that it takes no memory
    return np.asarray(trajectory.infos, dtype=object)


def subsample_indices(lengths: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of every k-th transition, counted through all episodes.

    What is kept are transitions (s, a, s') as they happened: thinning the states first would make
    up steps of k times the length. The first one of each episode is drawn anew (Ho & Ermon 2016,
    arXiv 1606.03476, section 6).

    Args:
        lengths: Transitions of each episode (n,).
        every: Distance between those kept.
        rng: Draws the first one of each episode; an episode shorter than `every` keeps one.
    """
    check_limit("subsample", every, Count)
    lengths = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    offsets = rng.integers(0, np.minimum(every, lengths))
    return np.concatenate(
        [
            np.arange(start + offset, start + length, every)
            for start, offset, length in zip(starts, offsets, lengths, strict=True)
        ]
    )


def subsample(
    trajectories: Sequence[Trajectory], every: int, rng: np.random.Generator
) -> Transitions:
    """Every k-th transition of trajectories in memory; arguments as in `subsample_indices`."""
    index = subsample_indices(np.array([len(t) for t in trajectories]), every, rng)
    return flatten_trajectories(trajectories)[index]

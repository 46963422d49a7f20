"""Step-by-step recording of several environments, cut into episodes afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Space

from airl_cli.data.types import TrajectoryWithRew, as_object_array
from airl_cli.errors import InvalidTypeError, InvalidValueError

_FIRST_CAPACITY = 256  # steps


class EpisodeRecorder:
    """Stores what all environments did as one row per step and slices episodes out of it.

    Rows that no unfinished episode needs are dropped when the buffer is full, so it grows with the
    longest episode and not with the length of the rollout.

    Args:
        n_envs: Number of environments.
        observation_space: Of one environment; float64 is stored as float32.
        action_space: Of one environment.
        record_infos: Keep the info dicts.

    Raises:
        InvalidTypeError: If a space has no plain array form (Dict, Tuple, ...).
    """

    def __init__(
        self,
        n_envs: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        *,
        record_infos: bool = False,
    ) -> None:
        self._buffers = [
            _buffer(n_envs, observation_space, "observations"),
            _buffer(n_envs, action_space, "actions"),
            np.empty((_FIRST_CAPACITY, n_envs), dtype=np.float32),  # rewards, as SB3 keeps them
        ]
        self._infos: list[Sequence[Mapping[str, Any]]] | None = [] if record_infos else None
        self._starts = np.zeros(n_envs, dtype=np.int64)  # first row of each unfinished episode
        self._size = 0

    def add(
        self,
        obs: np.ndarray,
        acts: np.ndarray,
        rews: np.ndarray,
        infos: Sequence[Mapping[str, Any]],
    ) -> None:
        """Record one step of all environments: what was seen, done and gained."""
        if self._size == len(self._buffers[0]):
            self._make_room()
        for buffer, value in zip(self._buffers, (obs, acts, rews), strict=True):
            buffer[self._size] = value
        if self._infos is not None:
            self._infos.append(infos)
        self._size += 1

    def end_episode(self, env: int, info: Mapping[str, Any]) -> TrajectoryWithRew:
        """The episode of environment `env` that the last recorded step ended.

        Args:
            env: Index of the environment.
            info: Its info dict of that step, with SB3's `terminal_observation` (the environment
                was reset already) and `TimeLimit.truncated`.

        Raises:
            InvalidValueError: If there is no terminal observation in `info`.
        """
        if info.get("terminal_observation") is None:
            raise InvalidValueError(
                f"environment {env} ended an episode without info['terminal_observation'].",
                "Use a VecEnv that follows Stable-Baselines3's conventions.",
            )
        rows = slice(int(self._starts[env]), self._size)
        observed, acts, rews = (buffer[rows, env] for buffer in self._buffers)
        obs = np.empty((len(observed) + 1, *observed.shape[1:]), dtype=observed.dtype)
        obs[:-1], obs[-1] = observed, info["terminal_observation"]
        infos = None
        if self._infos is not None:
            infos = as_object_array([step[env] for step in self._infos[rows]])
        self.skip_episode(env)
        truncated = bool(info.get("TimeLimit.truncated", False))
        return TrajectoryWithRew(
            obs=obs, acts=acts.copy(), infos=infos, terminal=not truncated, rews=rews.copy()
        )

    def skip_episode(self, env: int) -> None:
        """Forget the episode of environment `env` that the last recorded step ended."""
        self._starts[env] = self._size

    def _make_room(self) -> None:
        first = int(self._starts.min())
        kept = self._size - first
        capacity = len(self._buffers[0]) * (2 if kept > self._size // 2 else 1)
        for index, old in enumerate(self._buffers):
            new = old if capacity == len(old) else np.empty((capacity, *old.shape[1:]), old.dtype)
            new[:kept] = old[first : self._size]
            self._buffers[index] = new
        if self._infos is not None:
            del self._infos[:first]
        self._starts -= first
        self._size = kept


def storage_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that values of `dtype` are kept in: float64 becomes float32, once."""
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def _buffer(n_envs: int, space: Space[Any], what: str) -> np.ndarray:
    if isinstance(space, (spaces.Dict, spaces.Tuple)) or space.shape is None:
        raise InvalidTypeError(
            f"{what} of type {type(space).__name__} are not supported.",
            "Wrap the environment so that they are Box, Discrete, MultiDiscrete or MultiBinary, "
            "for example with gymnasium.wrappers.FlattenObservation.",
        )
    return np.empty((_FIRST_CAPACITY, n_envs, *space.shape), storage_dtype(np.dtype(space.dtype)))

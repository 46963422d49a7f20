"""Steps of several environments, put together into trajectories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
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
        """Record one step of all environments."""
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
        return TrajectoryWithRew(
            obs=obs, acts=acts.copy(), infos=infos, terminal=_is_terminal(info), rews=rews.copy()
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


class TrajectoryAccumulator:
    """Puts steps together into trajectories, several at a time, each under a key of its own.

    A trajectory begins with the step `{"obs": first observation}`; the steps that follow have
    `acts`, `rews`, `infos` and the `obs` *after* the action.
    """

    def __init__(self) -> None:
        self.partial_trajectories: dict[Hashable, list[Mapping[str, Any]]] = defaultdict(list)

    def add_step(self, step_dict: Mapping[str, Any], key: Hashable = None) -> None:
        """Appends a step to the trajectory `key`."""
        self.partial_trajectories[key].append(step_dict)

    def finish_trajectory(self, key: Hashable, terminal: bool) -> TrajectoryWithRew:
        """The trajectory `key`, which is removed here.

        Args:
            key: As given to `add_step`.
            terminal: Whether its last observation is a terminal state.

        Raises:
            InvalidValueError: If it has no actions yet.
        """
        first, *steps = self.partial_trajectories.pop(key)
        acts, rews, infos = ([step[name] for step in steps] for name in ("acts", "rews", "infos"))
        return TrajectoryWithRew(
            obs=np.stack([first["obs"], *(step["obs"] for step in steps)]),
            acts=np.asarray(acts),
            infos=as_object_array(infos),
            terminal=terminal,
            rews=np.asarray(rews),
        )

    def add_steps_and_auto_finish(
        self,
        acts: np.ndarray,
        obs: np.ndarray,
        rews: np.ndarray,
        dones: np.ndarray,
        infos: Sequence[Mapping[str, Any]],
    ) -> list[TrajectoryWithRew]:
        """Adds a step of all environments, under their indices, and finishes what ended.

        Each environment's first observation is added before: `add_step({"obs": obs}, key=index)`.
        Where an episode ended, the next one begins.

        Args:
            acts: Given to `VecEnv.step`, one row per environment, like the results below.
            obs: Returned by it, the first of the next episode where one ended.
            rews: Returned by it.
            dones: Returned by it.
            infos: Returned by it; a time limit (`TimeLimit.truncated`) is no terminal end.

        Returns:
            The trajectories that ended, in the order of the environments.
        """
        finished = []
        for env, (act, ob, rew, done, info) in enumerate(
            zip(acts, obs, rews, dones, infos, strict=True)
        ):
            after = info["terminal_observation"] if done else ob
            self.add_step({"acts": act, "rews": rew, "obs": after, "infos": info}, env)
            if done:
                finished.append(self.finish_trajectory(env, terminal=_is_terminal(info)))
                self.add_step({"obs": ob}, env)
        return finished


def _is_terminal(info: Mapping[str, Any]) -> bool:
    """Whether an episode that SB3 ended with this info did not just reach a time limit."""
    return not info.get("TimeLimit.truncated", False)


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

"""What the generator collects: recorded rollouts, and sums over their episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from airl_cli.algorithms.batch import TransitionBatch


class Rollout(NamedTuple):
    """Steps of all environments: of one step (n_envs, ...), or of several (steps, n_envs, ...).

    Attributes:
        obs: Observations (..., *observation shape).
        acts: Actions (..., *action shape), as the environment received them.
        next_obs: Observations after the actions; the true last one where an episode ended.
        dones: Whether `next_obs` is a terminal state, bool.
        ends: Whether an episode ended, terminal or truncated, bool.
        rewards: The environment's own.
    """

    obs: np.ndarray
    acts: np.ndarray
    next_obs: np.ndarray
    dones: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_envs,) or (steps, n_envs)."""
        return self.dones.shape

    def transitions(self) -> TransitionBatch:
        """The transitions one after the other (steps * n_envs)."""
        axes = self.dones.ndim
        columns = (self.obs, self.acts, self.next_obs, self.dones)
        flat = [column.reshape(-1, *column.shape[axes:]) for column in columns]
        return TransitionBatch.of(dict(zip(TransitionBatch._fields, flat, strict=True)))


class RecordingVecEnv(VecEnvWrapper):
    """Records every step until `pop` takes it.

    Args:
        venv: The environment to record.

    Attributes:
        steps: What was recorded since the last `pop`, a `Rollout` of each step.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._obs: np.ndarray | None = None
        self._acts: np.ndarray | None = None
        self.steps: list[Rollout] = []

    def reset(self) -> np.ndarray:
        """Starts new episodes; what was recorded stays."""
        obs = self.venv.reset()
        assert isinstance(obs, np.ndarray)  # the trainer refuses Dict observations
        self._obs = obs
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Passes the actions on and keeps them."""
        self._acts = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Passes the step on and keeps it."""
        obs, rewards, ends, infos = self.venv.step_wait()
        assert isinstance(obs, np.ndarray) and self._obs is not None and self._acts is not None
        next_obs, dones = obs, np.zeros(self.num_envs, dtype=bool)
        if ends.any():
            next_obs = obs.copy()
            for i in np.flatnonzero(ends):
                next_obs[i] = infos[i]["terminal_observation"]
                dones[i] = not infos[i].get("TimeLimit.truncated", False)
        self.steps.append(Rollout(self._obs, self._acts, next_obs, dones, ends, rewards))
        self._obs = obs
        return obs, rewards, ends, infos

    def last_observation(self) -> np.ndarray | None:
        """The newest observations (n_envs, *observation shape); None before the first reset."""
        return self._obs

    def resume_from(self, obs: np.ndarray) -> None:
        """The environments were restored elsewhere, and now show `obs`."""
        self._obs = obs
        self.steps.clear()

    def pop(self) -> Rollout:
        """What was recorded since the last call, at least one step: fields (steps, n_envs, ...)."""
        columns = [np.stack(column) for column in zip(*self.steps, strict=True)]
        self.steps.clear()
        return Rollout(*columns)


@dataclass
class EpisodeSums:
    """Sums a per-step quantity over episodes that may span several rollouts.

    Args:
        n_envs: How many environments run side by side.
    """

    n_envs: int
    _open: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._open = np.zeros(self.n_envs)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The sums of the open episodes, `open` (n_envs,)."""
        return {"open": self._open}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Restores them; a wrong shape is a `ValueError`."""
        self._open = np.array(state["open"], dtype=float).reshape(self.n_envs)

    def add(self, values: np.ndarray, ends: np.ndarray) -> list[float]:
        """Adds a rollout and returns the sums of the episodes that ended in it.

        Args:
            values: Per step (steps, n_envs).
            ends: Where an episode ended (steps, n_envs).
        """
        finished: list[float] = []
        for env in range(self.n_envs):
            start = 0
            for end in np.flatnonzero(ends[:, env]) + 1:
                finished.append(float(self._open[env] + values[start:end, env].sum()))
                self._open[env] = 0.0
                start = int(end)
            self._open[env] += values[start:, env].sum()
        return finished


class EpisodeStats:
    """The episodes that ended in the newest round: their lengths and returns.

    Args:
        n_envs: How many environments run side by side.
    """

    _NAMES = ("length", "true", "learned", "terminal")

    def __init__(self, n_envs: int) -> None:
        self._n_envs = n_envs
        self._sums = {name: EpisodeSums(n_envs) for name in self._NAMES}
        self._finished: dict[str, list[float]] = {name: [] for name in self._NAMES}

    def add(self, rollout: Rollout, **values: np.ndarray) -> None:
        """Counts per-step values of a rollout.

        Args:
            rollout: What was collected (steps, n_envs).
            **values: `length`, `terminal`, `true` or `learned` of each step (steps, n_envs).
        """
        for name, each in values.items():
            self._finished[name] += self._sums[name].add(each, rollout.ends)

    def lengths(self, *, with_terminal: bool) -> list[float]:
        """Lengths of the episodes, the newest of the round before in front.

        Args:
            with_terminal: Also of those that ended in a terminal state.
        """
        ends = zip(self._finished["length"], self._finished["terminal"], strict=True)
        return [length for length, terminal in ends if with_terminal or not terminal]

    def means(self) -> dict[str, float]:
        """Mean returns; NaN where no episode ended."""
        return {
            f"{name}_return_mean": float(np.mean(values)) if values else math.nan
            for name, values in self._finished.items()
            if name in ("true", "learned")
        }

    def next_round(self) -> None:
        """Forgets the finished episodes, but the last length, to compare the next with."""
        kept = {name: self._finished[name][-1:] for name in ("length", "terminal")}
        self._finished = {name: kept.get(name, []) for name in self._NAMES}

    def state_dict(self) -> dict[str, Any]:
        """Sums of the open episodes, and the finished ones."""
        return {
            "episode_sums": {name: sums.state_dict() for name, sums in self._sums.items()},
            "finished": {name: np.array(values) for name, values in self._finished.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any], *, restored: bool) -> None:
        """Restores the state; with `restored=False` new episodes have begun."""
        self._sums = {name: EpisodeSums(self._n_envs) for name in self._NAMES}
        for name in self._NAMES:
            if restored and name in state["episode_sums"]:  # "terminal" is new in 0.2
                self._sums[name].load_state_dict(state["episode_sums"][name])
            finished = np.array(state["finished"].get(name, [])).tolist()
            self._finished[name] = finished
        missing = len(self._finished["length"]) - len(self._finished["terminal"])
        self._finished["terminal"] += [0.0] * missing

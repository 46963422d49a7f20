"""Wrappers around the training environment: one writes down, one pays the learned reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn


class Step(NamedTuple):
    """One step of all environments; fields as in `Rollout`, without the first axis."""

    obs: np.ndarray
    acts: np.ndarray
    next_obs: np.ndarray
    dones: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray


@dataclass
class Rollout:
    """Consecutive steps of all environments.

    Attributes:
        obs: Observations (steps, n_envs, *observation shape).
        acts: Actions (steps, n_envs, *action shape), as the environment got them.
        next_obs: Observations after the actions; the true last one where an episode ended.
        dones: Whether `next_obs` is a terminal state (steps, n_envs) bool.
        ends: Whether an episode ended, terminal or truncated (steps, n_envs) bool.
        rewards: What the environment paid (steps, n_envs).
    """

    obs: np.ndarray
    acts: np.ndarray
    next_obs: np.ndarray
    dones: np.ndarray
    ends: np.ndarray
    rewards: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(steps, n_envs)."""
        return self.dones.shape

    def columns(self) -> dict[str, np.ndarray]:
        """The transitions one after the other: fields (steps * n_envs, ...)."""
        names = ("obs", "acts", "next_obs", "dones")
        return {name: _flat(getattr(self, name)) for name in names}


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, *array.shape[2:])


class RecordingVecEnv(VecEnvWrapper):
    """Writes down every step until `pop` takes it.

    Args:
        venv: The environment to record.

    Attributes:
        steps: What was recorded since the last `pop`.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._obs: np.ndarray | None = None
        self._acts: np.ndarray | None = None
        self.steps: list[Step] = []

    def reset(self) -> np.ndarray:
        """Starts new episodes; what was recorded stays."""
        obs = self.venv.reset()
        assert isinstance(obs, np.ndarray)  # Dict observations are refused by the trainer
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
        self.steps.append(Step(self._obs, self._acts, next_obs, dones, ends, rewards))
        self._obs = obs
        return obs, rewards, ends, infos

    def __len__(self) -> int:
        return len(self.steps)

    def last_observation(self) -> np.ndarray | None:
        """What the environments showed last (n_envs, *observation shape)."""
        return self._obs

    def go_on_from(self, obs: np.ndarray) -> None:
        """The environments, brought back to another process's place, show `obs`."""
        self._obs = obs
        self.steps.clear()

    def pop(self) -> Rollout:
        """Everything recorded since the last call; at least one step must have been."""
        columns = [np.stack(column) for column in zip(*self.steps, strict=True)]
        self.steps.clear()
        return Rollout(*columns)


class LearnedRewardVecEnv(VecEnvWrapper):
    """The environment as the generator sees it: with the learned reward.

    Args:
        venv: A recorder around the environment.
        price: From a step to rewards (n_envs,).

    Attributes:
        deferred: While True, every step pays zero, because the buffer that the steps go to is
            priced as a whole later.
    """

    def __init__(self, venv: RecordingVecEnv, price: Callable[[Step], np.ndarray]) -> None:
        super().__init__(venv)
        self._price = price
        self.deferred = False

    def reset(self) -> np.ndarray:
        """Starts new episodes."""
        return self.venv.reset()  # type: ignore[return-value]

    def step_wait(self) -> VecEnvStepReturn:
        """Steps, and pays the learned reward, or zero while deferred."""
        obs, rewards, ends, infos = self.venv.step_wait()
        if self.deferred:
            return obs, np.zeros_like(rewards), ends, infos
        recorder = self.venv
        assert isinstance(recorder, RecordingVecEnv)
        return obs, self._price(recorder.steps[-1]), ends, infos


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
        """Puts them back; a wrong shape is a `ValueError`."""
        self._open = np.array(state["open"], dtype=float).reshape(self.n_envs)

    def add(self, values: np.ndarray, ends: np.ndarray) -> list[float]:
        """Takes a rollout in and gives the sums of the episodes that ended in it.

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

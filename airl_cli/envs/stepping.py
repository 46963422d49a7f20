"""Vectorised environments of single ones: stepped one after the other, or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from airl_cli.errors import RunFailedError

EnvMaker = Callable[[], gym.Env[Any, Any]]

_IMMUTABLE = frozenset(
    (bool, int, float, complex, str, bytes, type(None))
    + (np.bool_, np.int32, np.int64, np.float32, np.float64)
)


class LeanDummyVecEnv(DummyVecEnv):
    """SB3's `DummyVecEnv`, without its deep copies of what nobody can change.

    Steps give the same, as independent of the environments' memory as before: arrays and
    containers in infos are copied, numbers and texts need not be. On MuJoCo tasks, whose infos
    hold several numbers a step, the copies are a fifth of the time of a step.
    """

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all copies, and starts those anew whose episodes have ended."""
        if self.keys != [None]:
            return super().step_wait()  # Dict and Tuple observations
        rewards, dones = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, bool)
        infos: list[Any] = [None] * self.num_envs
        self._step_all(rewards, dones, infos)
        return self.buf_obs[None].copy(), rewards, dones, infos  # type: ignore[index]

    def _step_all(self, rewards: np.ndarray, dones: np.ndarray, infos: list[Any]) -> None:
        self._step_copies(range(self.num_envs), rewards, dones, infos)

    def _step_copies(
        self, indices: Iterable[int], rewards: np.ndarray, dones: np.ndarray, infos: list[Any]
    ) -> None:
        """Steps some of the copies, in the order of `indices`; fills their rows of the arrays."""
        observations = self.buf_obs[None]  # type: ignore[index]
        for i in indices:
            env = self.envs[i]
            obs, rewards[i], terminated, truncated, info = env.step(self.actions[i])
            info["TimeLimit.truncated"] = truncated and not terminated
            if terminated or truncated:
                dones[i] = True
                info["terminal_observation"] = obs
                obs, self.reset_infos[i] = env.reset()
            observations[i] = obs
            infos[i] = _independent(info)


def _independent(info: dict[str, Any]) -> dict[str, Any]:
    """A copy of an info, of which nobody can change the values."""
    if _IMMUTABLE.issuperset(map(type, info.values())):
        return dict(info)
    return {key: v if type(v) in _IMMUTABLE else deepcopy(v) for key, v in info.items()}


class LeanSubprocVecEnv(SubprocVecEnv):
    """SB3's, but its steps are as `DummyVecEnv` gives them, and a worker may die.

    Rewards are float32, infos a list. A worker that is gone (killed, or its environment raised) is
    an error that says so, and closing does not wait for it.
    """

    def step_async(self, actions: np.ndarray) -> None:
        """Sends the actions to the workers."""
        with self._workers_alive():
            super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Receives what the steps gave."""
        with self._workers_alive():
            obs, rews, dones, infos = super().step_wait()
        return obs, rews.astype(np.float32), dones, list(infos)

    def reset(self) -> VecEnvObs:
        """Starts new episodes."""
        with self._workers_alive():
            return super().reset()

    def env_method(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Calls a method of each copy."""
        with self._workers_alive():
            return super().env_method(*args, **kwargs)

    def close(self) -> None:
        """Ends the workers."""
        try:
            super().close()
        except (EOFError, OSError):
            for process in self.processes:
                process.kill()
            self.closed = True

    @contextmanager
    def _workers_alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            raise RunFailedError(
                f"the worker process of {self._dead()} died.",
                "It was killed (out of memory?), or its environment raised: then its traceback "
                "stands above. env.vectorization=dummy runs all copies in one process.",
            ) from error

    def _dead(self) -> str:
        for process in self.processes:
            process.join(timeout=0.1)
        dead = [f"{i} ({p.exitcode})" for i, p in enumerate(self.processes) if not p.is_alive()]
        return f"environment {', '.join(dead)}" if dead else "an environment"

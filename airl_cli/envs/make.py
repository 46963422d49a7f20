"""Vectorised environments from ids: monitored, seeded, in one process or many."""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec as GymSpec
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from airl_cli.envs.mujoco import without_known_warnings
from airl_cli.envs.observations import (
    cast_observations,
    flatten_observations,
    stack_observations,
)
from airl_cli.envs.registry import explained_construction, find_spec
from airl_cli.envs.spaces import check_types
from airl_cli.envs.wrappers import RepeatableEpisodes
from airl_cli.errors import InvalidValueError, RunFailedError

EnvWrapper = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]
PostWrapper = Callable[[gym.Env[Any, Any], int], gym.Env[Any, Any]]

_IMMUTABLE = frozenset(
    (bool, int, float, complex, str, bytes, type(None))
    + (np.bool_, np.int32, np.int64, np.float32, np.float64)
)


def make_vec_env(
    env_name: str,
    *,
    rng: np.random.Generator,
    n_envs: int = 8,
    parallel: bool = False,
    max_episode_steps: int | None = None,
    post_wrappers: Sequence[PostWrapper] | None = None,
    env_make_kwargs: Mapping[str, Any] | None = None,
    log_dir: str | Path | None = None,
    wrappers: Sequence[EnvWrapper] = (),
    import_module: str | None = None,
    history: int = 1,
) -> VecEnv:
    """Make `n_envs` copies of an environment that are stepped together.

    From the inside out: the environment, `wrappers`, Gymnasium's `FlattenObservation` where
    observations are Dict or Tuple (one vector, of Discrete parts one-hot), `history`, SB3's
    `Monitor` (so that `info["episode"]` holds the return `r` and length `l`), `post_wrappers`, a
    cast of float64 observations to float32, and `RepeatableEpisodes`. The same `rng` state gives
    the same streams, `parallel` or not.

    Args:
        env_name: Registered id; `seals/...` and `module:id` are imported by themselves.
        rng: Every copy is seeded differently from it.
        n_envs: Number of copies.
        parallel: One process per copy (`SubprocVecEnv`) instead of all in this one. Worth it for
            environments whose step takes much longer than a message between processes.
        max_episode_steps: Time limit that replaces the registered one.
        post_wrappers: Callables `(env, index) -> env`, applied in order outside `Monitor`.
        env_make_kwargs: Arguments of the environment's constructor.
        log_dir: Folder for `Monitor`'s CSV files (`log_dir/monitor/<index>.monitor.csv`).
        wrappers: Callables `env -> env` that belong to the task itself, applied in order inside
            `Monitor`, so that returns and lengths are those of the wrapped environment.
        import_module: Module whose import registers `env_name`.
        history: Observations that are shown at a time, see `stack_observations`.

    Raises:
        NotFoundError: If the id is unknown or something that it needs is not installed.
        InvalidValueError: If an argument is out of range or not accepted by the environment.
    """
    if n_envs < 1:
        raise InvalidValueError(f"n_envs is {n_envs}; it must be at least 1.")
    if max_episode_steps is not None and max_episode_steps < 1:
        raise InvalidValueError(f"max_episode_steps is {max_episode_steps}; it must be positive.")
    monitor_dir = None if log_dir is None else Path(log_dir) / "monitor"
    if monitor_dir is not None:
        monitor_dir.mkdir(parents=True, exist_ok=True)
    blueprint = _Blueprint(
        spec=find_spec(env_name, import_module),
        kwargs=dict(env_make_kwargs or {}),
        max_episode_steps=max_episode_steps,
        import_module=import_module,
        history=history,
        wrappers=tuple(wrappers),
        post_wrappers=tuple(post_wrappers or ()),
        monitor_dir=monitor_dir,
    )
    return _seeded(_vectorized(blueprint, n_envs, parallel), rng)


@dataclasses.dataclass(frozen=True)
class _Blueprint:
    """How to build one environment; travels to worker processes."""

    spec: GymSpec  # the entry itself: a worker's registry may not have it
    kwargs: dict[str, Any]
    max_episode_steps: int | None
    import_module: str | None
    history: int
    wrappers: tuple[EnvWrapper, ...]
    post_wrappers: tuple[PostWrapper, ...]
    monitor_dir: Path | None

    def build(self, index: int) -> gym.Env[Any, Any]:
        if self.import_module:
            importlib.import_module(self.import_module)
        explained = explained_construction(self.spec.id, has_kwargs=bool(self.kwargs))
        with explained, without_known_warnings(self.spec):
            env = gym.make(self.spec, max_episode_steps=self.max_episode_steps, **self.kwargs)
        for wrapper in self.wrappers:
            env = wrapper(env)
        check_types(env.observation_space, env.action_space, self.spec.id)
        env = stack_observations(flatten_observations(env), self.history)
        log = None if self.monitor_dir is None else str(self.monitor_dir / f"{index:03d}")
        env = Monitor(env, log)
        for post_wrapper in self.post_wrappers:
            env = post_wrapper(env, index)
        return RepeatableEpisodes(cast_observations(env), index)


@dataclasses.dataclass(frozen=True)
class _Builder:
    blueprint: _Blueprint
    index: int
    in_worker: bool = False

    def __call__(self) -> gym.Env[Any, Any]:
        if self.in_worker:  # Ctrl-C reaches all processes of a terminal; the first one decides
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return self.blueprint.build(self.index)


def _vectorized(blueprint: _Blueprint, n_envs: int, parallel: bool) -> VecEnv:
    builders = [_Builder(blueprint, index, in_worker=parallel) for index in range(n_envs)]
    if not parallel:
        return LeanDummyVecEnv(list(builders))
    # A worker that fails to build its environment only leaves a broken pipe behind; here the
    # error arrives as what it is.
    dataclasses.replace(blueprint, monitor_dir=None).build(0).close()
    # Importing torch takes seconds and 150 MB a worker: do it once, in the process that the workers
    # are forked from. ("__main__" is the default; without effect once that process runs.)
    multiprocessing.set_forkserver_preload(["__main__", __name__])
    return _SubprocVecEnv(list(builders))


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
        observations, infos = self.buf_obs[None], []  # type: ignore[index]
        rewards, dones = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, bool)
        for i, env in enumerate(self.envs):
            obs, rewards[i], terminated, truncated, info = env.step(self.actions[i])
            info["TimeLimit.truncated"] = truncated and not terminated
            if terminated or truncated:
                dones[i] = True
                info["terminal_observation"] = obs
                obs, self.reset_infos[i] = env.reset()
            observations[i] = obs
            infos.append({key: _independent(value) for key, value in info.items()})
        return observations.copy(), rewards, dones, infos


def _independent(value: Any) -> Any:
    return value if type(value) in _IMMUTABLE else deepcopy(value)


class _SubprocVecEnv(SubprocVecEnv):
    """SB3's, but its steps are as `DummyVecEnv` gives them, and a worker may die.

    Rewards are float32, infos a list. A worker that is gone (killed, or its environment raised) is
    an error that says so, and closing does not wait for it.
    """

    def step_async(self, actions: np.ndarray) -> None:
        with self._workers_alive():
            super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        with self._workers_alive():
            obs, rews, dones, infos = super().step_wait()
        return obs, rews.astype(np.float32), dones, list(infos)

    def reset(self) -> VecEnvObs:
        with self._workers_alive():
            return super().reset()

    def env_method(self, *args: Any, **kwargs: Any) -> list[Any]:
        with self._workers_alive():
            return super().env_method(*args, **kwargs)

    def close(self) -> None:
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


def _seeded(venv: VecEnv, rng: np.random.Generator) -> VecEnv:
    venv.seed(int(rng.integers(2**31)))
    venv.action_space.seed(int(rng.integers(2**31)))
    return venv

"""Vectorised environments from ids: monitored, seeded, in one thread, several or many processes."""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec as GymSpec
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.envs.mujoco import without_known_warnings
from airl_cli.envs.native import make_native, refuse_unsupported
from airl_cli.envs.observations import (
    cast_observations,
    flatten_observations,
    stack_observations,
)
from airl_cli.envs.registry import explained_construction, find_spec
from airl_cli.envs.spaces import check_types
from airl_cli.envs.stepping import LeanDummyVecEnv, LeanSubprocVecEnv
from airl_cli.envs.threads import ThreadedVecEnv
from airl_cli.envs.wrappers import RepeatableEpisodes
from airl_cli.errors import InvalidValueError

EnvWrapper = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]
PostWrapper = Callable[[gym.Env[Any, Any], int], gym.Env[Any, Any]]

Vectorization = Literal["dummy", "subproc", "threads", "native"]


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
    vectorization: Vectorization | None = None,
) -> VecEnv:
    """Make `n_envs` copies of an environment that are stepped together.

    From the inside out: the environment, `wrappers`, Gymnasium's `FlattenObservation` where
    observations are Dict or Tuple (one vector, of Discrete parts one-hot), `history`, SB3's
    `Monitor` (so that `info["episode"]` holds the return `r` and length `l`), `post_wrappers`, a
    cast of float64 observations to float32, and `RepeatableEpisodes`. The same `rng` state gives
    the same streams, `parallel` or not; `vectorization="native"` is another environment inside,
    `airl_cli.envs.native.NativeVecEnv`, and gives others.

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
        vectorization: How the copies are stepped, as `EnvSpec` explains it, instead of `parallel`.

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
    make = _VECTORIZED[vectorization or ("subproc" if parallel else "dummy")]
    return _seeded(make(blueprint, n_envs), rng)


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


def _dummy(blueprint: _Blueprint, n_envs: int) -> VecEnv:
    return LeanDummyVecEnv([_Builder(blueprint, index) for index in range(n_envs)])


def _threads(blueprint: _Blueprint, n_envs: int) -> VecEnv:
    return ThreadedVecEnv([_Builder(blueprint, index) for index in range(n_envs)])


def _subproc(blueprint: _Blueprint, n_envs: int) -> VecEnv:
    # A worker that fails to build its environment only leaves a broken pipe behind; here the
    # error arrives as what it is.
    dataclasses.replace(blueprint, monitor_dir=None).build(0).close()
    # Importing torch takes seconds and 150 MB a worker: do it once, in the process that the workers
    # are forked from. ("__main__" is the default; without effect once that process runs.)
    multiprocessing.set_forkserver_preload(["__main__", __name__])
    return LeanSubprocVecEnv([_Builder(blueprint, i, in_worker=True) for i in range(n_envs)])


def _native(blueprint: _Blueprint, n_envs: int) -> VecEnv:
    spec = blueprint.spec
    refuse_unsupported(
        spec.id,
        {
            "env.wrappers": blueprint.wrappers,
            f"env.history={blueprint.history}": blueprint.history > 1,
            "post_wrappers": blueprint.post_wrappers,
            "log_dir": blueprint.monitor_dir,
        },
    )
    kwargs = dict(blueprint.kwargs)
    if blueprint.max_episode_steps is not None:
        kwargs["max_episode_steps"] = blueprint.max_episode_steps
    if blueprint.import_module:
        importlib.import_module(blueprint.import_module)
    with explained_construction(spec.id, has_kwargs=bool(kwargs)):
        venv = make_native(spec, n_envs, kwargs)
    check_types(venv.observation_space, venv.action_space, spec.id)
    return venv


_VECTORIZED: dict[str, Callable[[_Blueprint, int], VecEnv]] = {
    "dummy": _dummy,
    "subproc": _subproc,
    "threads": _threads,
    "native": _native,
}
VECTORIZATIONS = tuple(_VECTORIZED)


def _seeded(venv: VecEnv, rng: np.random.Generator) -> VecEnv:
    venv.seed(int(rng.integers(2**31)))
    venv.action_space.seed(int(rng.integers(2**31)))
    return venv

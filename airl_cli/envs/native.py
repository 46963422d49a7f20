"""Environments that a package registered vectorised (`vector_entry_point`), as SB3 wants them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.envs.registration import EnvSpec as GymSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from airl_cli.envs.wrappers import failed
from airl_cli.errors import AirlError, InvalidTypeError, InvalidValueError

REMEDY = "env.vectorization=dummy steps single copies, for which everything is possible."


class SameStepCartPole(CartPoleVectorEnv):
    """Gymnasium's CartPole in NumPy, whose episodes start anew in the step in which they end.

    Gymnasium's own does that one step later, and ignores the action of that step.
    """

    metadata = {**CartPoleVectorEnv.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}

    def step(self, action: np.ndarray) -> Any:
        """Steps all copies (n_envs,)."""
        obs, rewards, terminated, truncated, info = super().step(action)
        ended = self.prev_done
        if ended.any():
            info = {"final_obs": obs, "_final_obs": ended}
            state = np.asarray(self.state)  # (4, n_envs), the array itself
            size = (4, int(ended.sum()))
            state[:, ended] = self.np_random.uniform(self.low, self.high, size)
            self.steps[ended] = 0
            self.prev_done = np.zeros_like(ended)
            obs = state.T.astype(np.float32)
        return obs, rewards, terminated, truncated, info


_RESTARTED_IN_TIME: dict[Any, Any] = {
    "gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv": SameStepCartPole,
}
"""By entry point: the same environment, restarting episodes in the step in which they end."""


def make_native(spec: GymSpec, n_envs: int, kwargs: dict[str, Any]) -> VecEnv:
    """The vectorised environment that is registered beside the single one.

    Args:
        spec: Gymnasium's entry.
        n_envs: Number of copies.
        kwargs: For its constructor; `max_episode_steps` replaces the registered time limit.

    Raises:
        InvalidValueError: If there is none, or it restarts episodes in a way that cannot be
            presented as Stable-Baselines3 expects it.
    """
    spec = deepcopy(spec)
    if spec.vector_entry_point is None:
        raise InvalidValueError(
            f"env.vectorization=native: {spec.id} is not registered vectorised (it has no "
            "vector_entry_point).",
            REMEDY,
        )
    if spec.additional_wrappers:
        raise _impossible(spec.id, "the wrappers that it is registered with")
    spec.vector_entry_point = _RESTARTED_IN_TIME.get(
        spec.vector_entry_point, spec.vector_entry_point
    )
    env = gym.make_vec(spec, n_envs, vectorization_mode="vector_entry_point", **kwargs)
    return NativeVecEnv(env, spec.id)


def refuse_unsupported(name: str, wanted: Mapping[str, Any]) -> None:
    """Refuses what needs single copies.

    Args:
        name: The environment's id.
        wanted: By its name, what was asked for; falsy where it was not.

    Raises:
        InvalidValueError: Naming the first.
    """
    for feature, value in wanted.items():
        if value:
            raise _impossible(name, feature)


def _impossible(name: str, feature: str) -> InvalidValueError:
    return InvalidValueError(
        f"env.vectorization=native: {feature} needs single copies of {name}, of which there are "
        "none.",
        REMEDY,
    )


class NativeVecEnv(VecEnv):
    """One of Gymnasium's vectorised environments with the interface and bookkeeping of SB3's.

    As `DummyVecEnv` around `Monitor`: ended episodes start anew in the same step,
    `info["terminal_observation"]`, `info["TimeLimit.truncated"]`, `info["episode"]` with return
    `r`, length `l` and time `t`; float64 observations become float32. One generator serves all
    copies, so that episodes are others than those of single copies with the same seed, and cannot
    be repeated one by one. Copies have no attributes and methods of their own.

    Args:
        env: The vectorised environment.
        name: For messages.

    Raises:
        InvalidValueError: If `env` restarts episodes in the step after their end.
        InvalidTypeError: If observations are Dict or Tuple.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], name: str) -> None:
        self.env, self._name = env, name
        self._mode = env.metadata.get("autoreset_mode")
        if self._mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED):
            raise InvalidValueError(
                f"env.vectorization=native: {name} restarts an episode in the step after its end "
                f"(autoreset_mode {getattr(self._mode, 'value', self._mode)}), which is no step of "
                "the task.",
                REMEDY,
            )
        super().__init__(env.num_envs, _float32(env, name), env.single_action_space)
        self._actions = np.zeros(0)
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._started = time.time()

    def reset(self) -> np.ndarray:
        """Starts new episodes; observations (n_envs, *observation shape)."""
        options = self._options[0] or None
        if any(other != self._options[0] for other in self._options):
            raise _impossible(self._name, "reset options that differ")
        obs, info = self._called("reset", seed=self._seeds[0], options=options)
        self.reset_infos = [_of_copy(info, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        return np.array(obs, dtype=self.observation_space.dtype)

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions (n_envs, *action shape)."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all copies, and starts those anew whose episodes have ended."""
        obs, rewards, terminated, truncated, info = self._called("step", self._actions)
        if not np.isfinite(rewards).all():
            raise InvalidValueError(
                f"{self._name}: step returned the rewards {rewards}.",
                "Correct the environment's reward.",
            )
        ends = np.asarray(terminated | truncated, dtype=bool)
        self._returns += rewards
        self._lengths += 1
        if info:
            infos = [_of_copy(info, i) for i in range(self.num_envs)]
        else:
            infos = [{} for _ in range(self.num_envs)]
        for i, cut in enumerate((truncated & ~terminated).tolist()):
            infos[i]["TimeLimit.truncated"] = cut
        if ends.any():
            obs = self._restarted(obs, ends, info, infos)
        obs = np.array(obs, dtype=self.observation_space.dtype)
        return obs, np.array(rewards, np.float32), ends, infos

    def _restarted(
        self, obs: np.ndarray, ends: np.ndarray, info: dict[str, Any], infos: list[dict[str, Any]]
    ) -> np.ndarray:
        """Completes the infos of ended episodes; the observations after their restart."""
        last = info.get("final_obs") if self._mode is AutoresetMode.SAME_STEP else obs
        if last is None:
            raise InvalidTypeError(
                f"{self._name}: step gave no info['final_obs'] at the end of an episode.", REMEDY
            )
        seconds = round(time.time() - self._started, 6)
        for i in np.flatnonzero(ends):
            infos[i]["terminal_observation"] = np.array(last[i], self.observation_space.dtype)
            length, value = int(self._lengths[i]), round(float(self._returns[i]), 6)
            infos[i]["episode"] = {"r": value, "l": length, "t": seconds}
        self._returns[ends], self._lengths[ends] = 0.0, 0
        if self._mode is AutoresetMode.DISABLED:
            obs, _ = self._called("reset", options={"reset_mask": ends})
        return obs

    def _called(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(self.env, method)(*args, **kwargs)
        except AirlError:
            raise
        except Exception as error:
            raise failed(self._name, method, error) from error

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the whole, for each copy."""
        return [getattr(self.env.unwrapped, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of the whole; some copies alone have none (`InvalidValueError`)."""
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise _impossible(self._name, f"{attr_name} of some copies")
        setattr(self.env.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """There are no methods of single copies: `InvalidValueError`."""
        raise _impossible(self._name, f"the method {method_name}")

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No copy is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A picture of each copy."""
        pictures: Any = self.env.render() or [None] * self.num_envs
        return list(pictures)


def _float32(env: VectorEnv[Any, Any, Any], name: str) -> spaces.Space[Any]:
    """The space of one observation as float32, where it was float64."""
    space = env.single_observation_space
    if isinstance(space, spaces.Dict | spaces.Tuple):
        raise InvalidTypeError(
            f"env.vectorization=native: observations of {name} are a {type(space).__name__} space.",
            "env.vectorization=dummy makes one vector of their parts.",
        )
    if not isinstance(space, spaces.Box) or space.dtype != np.float64:
        return space
    with np.errstate(over="ignore"):  # bounds beyond float32's range are no bounds to it
        return spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32))


def _of_copy(info: dict[str, Any], index: int) -> dict[str, Any]:
    """What Gymnasium's batched info says of one copy: `info["_key"]` tells for which it holds."""
    own = {}
    for key, values in info.items():
        said = info.get(f"_{key}")
        if key.startswith(("_", "final_")) or (said is not None and not said[index]):
            continue
        own[key] = _of_copy(values, index) if isinstance(values, dict) else values[index]
    return own

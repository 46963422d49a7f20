"""Wrapper that remembers an episode as the environment gave it."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np


class RolloutInfoWrapper(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the original observations and rewards of each episode for `rollout`.

    Put below wrappers that change them (normalisation, a learned reward): at the end of an episode
    of `T` steps, `info["rollout"]` holds `obs` of shape `(T + 1, *obs_shape)` and `rews` of shape
    `(T,)`, and `airl_cli.data.rollout.rollout(..., unwrap=True)` uses them.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._obs: list[Any] = []
        self._rews: list[float] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode; see `gymnasium.Env.reset`."""
        obs, info = super().reset(seed=seed, options=options)
        self._obs, self._rews = [np.array(obs)], []  # copied: envs may reuse their arrays
        return obs, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """One step; see `gymnasium.Env.step`."""
        obs, rew, terminated, truncated, info = super().step(action)
        self._obs.append(np.array(obs))
        self._rews.append(float(rew))
        if terminated or truncated:
            info["rollout"] = {"obs": np.stack(self._obs), "rews": np.asarray(self._rews)}
        return obs, rew, terminated, truncated, info

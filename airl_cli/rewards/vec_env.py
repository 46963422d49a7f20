"""A vectorised environment with another reward."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

RewardFn = Callable[[Any, np.ndarray, Any, np.ndarray], np.ndarray]
"""From obs, acts, next_obs and dones (n, ...) to rewards (n,)."""


class RewardVecEnvWrapper(VecEnvWrapper):
    """Replaces the rewards of `step` by a function of the transition.

    The environment's own reward is in each info as `original_env_rew`. The environment is reset
    when it is wrapped.

    Args:
        venv: The environment to wrap.
        reward_fn: From observations, actions, next observations and terminal flags, one row per
            environment, to rewards (n_envs,): a reward net's `predict_processed` or `predict`, or
            `load_reward(run).predict`. Next observations are the true last ones where an episode
            ended, and a time limit is no terminal end.
        ep_history: Episodes over which `make_log_callback` takes the mean return.

    Attributes:
        episode_rewards: Returns of the newest episodes under `reward_fn`.
    """

    def __init__(self, venv: VecEnv, reward_fn: RewardFn, ep_history: int = 100) -> None:
        super().__init__(venv)
        self.reward_fn = reward_fn
        self.episode_rewards: deque[float] = deque(maxlen=ep_history)
        self._returns = np.zeros(venv.num_envs)
        self._obs: VecEnvObs
        self._acts: np.ndarray
        self.reset()

    def make_log_callback(self) -> BaseCallback:
        """A callback for `learn` that logs `rollout/ep_rew_wrapped_mean`."""
        return WrappedRewardCallback(self.episode_rewards)

    def reset(self) -> VecEnvObs:
        """Begins new episodes."""
        self._obs = self.venv.reset()
        self._returns[:] = 0
        return self._obs

    def step_async(self, actions: np.ndarray) -> None:
        """Starts a step."""
        self._acts = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Ends a step; its rewards (n_envs,) are float32 and those of `reward_fn`.

        Raises:
            ValueError: `reward_fn` gives another shape.
        """
        obs, env_rewards, ends, infos = self.venv.step_wait()
        next_obs, dones = _last_observations(obs, ends, infos)
        rewards = np.asarray(self.reward_fn(self._obs, self._acts, next_obs, dones), np.float32)
        if rewards.shape != (self.num_envs,):
            raise ValueError(
                f"reward_fn gave rewards of shape {rewards.shape} for {self.num_envs} environments"
            )
        for info, reward in zip(infos, env_rewards, strict=True):
            info["original_env_rew"] = reward
        self._returns += rewards
        self.episode_rewards.extend(self._returns[ends].tolist())
        self._returns[ends] = 0
        self._obs = obs
        return obs, rewards, ends, infos


class WrappedRewardCallback(BaseCallback):
    """Logs the mean return of the newest episodes when a rollout begins.

    Args:
        episode_rewards: Returns of the newest episodes.
    """

    def __init__(self, episode_rewards: deque[float]) -> None:
        super().__init__()
        self.episode_rewards = episode_rewards

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.episode_rewards:
            mean = float(np.mean(self.episode_rewards))
            self.logger.record("rollout/ep_rew_wrapped_mean", mean)


def _last_observations(
    obs: VecEnvObs, ends: np.ndarray, infos: list[dict[str, Any]]
) -> tuple[VecEnvObs, np.ndarray]:
    """The observations after a step, not after the reset that followed; and terminal flags."""
    dones = ends & [not info.get("TimeLimit.truncated", False) for info in infos]
    if not ends.any():
        return obs, dones
    places = np.flatnonzero(ends)
    if isinstance(obs, dict):
        parts = {key: column.copy() for key, column in obs.items()}
        for i in places:
            for key, column in parts.items():
                column[i] = infos[i]["terminal_observation"][key]
        return parts, dones
    assert isinstance(obs, np.ndarray)
    last = obs.copy()
    for i in places:
        last[i] = infos[i]["terminal_observation"]
    return last, dones

"""Wrappers: observations as float32, episodes of fixed length, episodes that can be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.errors import InvalidValueError
from airl_cli.seeding import derive_seed

EpisodeLog = dict[str, Any]
"""`seed` and `number` of an episode and its `actions` (steps, *action shape) so far."""


class Float32Observation(gym.ObservationWrapper[Any, Any, Any]):
    """Casts float64 observations to float32, once, where they leave the environment."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        assert isinstance(space, spaces.Box)
        # Bounds beyond float32's range are no bounds to it.
        with np.errstate(over="ignore"):
            low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        """The observation as float32."""
        return np.asarray(observation, dtype=np.float32)


def cast_observations(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """`env`, wrapped if its observations are float64."""
    space = env.observation_space
    if isinstance(space, spaces.Box) and space.dtype == np.float64:
        return Float32Observation(env)
    return env


class FixedHorizon(gym.Wrapper[Any, Any, Any, Any]):
    """Stays where the task ended, for nothing, until the horizon.

    When the task ends (solved, crashed), its last observation is shown again and again, whatever
    the actions, so that an episode's length says nothing about the true reward (Kostrikov et al.
    2019, arXiv 1809.02925, section 4.2, where the absorbing state is a state of its own).
    Episodes end by truncation only: no state is terminal.

    Args:
        env: The task.
        horizon: Steps of every episode. None: the task's own time limit.
        absorbing_reward: True reward of every step behind the end.

    Raises:
        InvalidValueError: There is no horizon, or the task's time limit is shorter.
    """

    def __init__(
        self, env: gym.Env[Any, Any], horizon: int | None = None, absorbing_reward: float = 0.0
    ) -> None:
        super().__init__(env)
        limit = None if env.spec is None else env.spec.max_episode_steps
        self.horizon = horizon or limit or 0
        if self.horizon < 1:
            raise InvalidValueError(
                f"FixedHorizon: {env} has no time limit of its own, and horizon={horizon}.",
                "Give the wrapper a positive horizon.",
            )
        if limit is not None and limit < self.horizon:
            raise InvalidValueError(
                f"FixedHorizon: horizon={self.horizon} is longer than the task's time limit of "
                f"{limit} steps.",
                "Raise env.max_episode_steps, or leave horizon out.",
            )
        self.absorbing_reward = absorbing_reward
        self._steps = 0
        self._last: Any = None
        self._ended = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        self._steps, self._ended = 0, False
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step of the task, or of waiting; `info["absorbed"]` says which."""
        self._steps += 1
        reward: Any = self.absorbing_reward
        info: dict[str, Any] = {}
        absorbed = self._ended
        if not absorbed:
            self._last, reward, terminated, truncated, info = self.env.step(action)
            self._ended = terminated or truncated
        truncated = self._steps >= self.horizon
        return self._last, reward, False, truncated, {**info, "absorbed": absorbed}


class RepeatableEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Seeds every episode and remembers its actions, so that it can be repeated elsewhere.

    Every episode's seed is derived from that of `reset(seed=s)`, the copy's index and the episode's
    number: Stable-Baselines3 seeds copies with s, s + 1, ..., so neighbouring seeds would share
    them. An environment that depends on nothing but seed and actions is then, at any moment,
    described by one seed, one number and the actions of one episode.

    Args:
        env: The outermost environment: everything inside takes part in a repetition.
        index: Of this copy among those that are stepped together.
    """

    def __init__(self, env: gym.Env[Any, Any], index: int = 0) -> None:
        super().__init__(env)
        self._index = index
        self._seed: int | None = None
        self._number = 0
        self._actions: list[Any] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode: number 0 of a given seed, the next one of the last seed without."""
        if seed is not None:
            self._seed, self._number = derive_seed(seed, f"copy {self._index}"), 0
        else:
            self._number += 1
        self._actions = []
        return self.env.reset(seed=self._episode_seed(), options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps, and remembers the action."""
        self._actions.append(np.array(action))
        return self.env.step(action)

    def episode_log(self) -> EpisodeLog | None:
        """What `repeat_episode` needs; None before the first seeded reset."""
        if self._seed is None:
            return None
        actions = np.stack(self._actions) if self._actions else np.zeros(0, np.float32)
        return {"seed": self._seed, "number": self._number, "actions": actions}

    def repeat_episode(self, seed: int, number: int, actions: np.ndarray) -> Any:
        """Brings the environment to where an episode was.

        Args:
            seed: Of the log.
            number: Of the log.
            actions: Of the log (steps, *action shape).

        Returns:
            The last observation; None if the episode ended earlier this time.
        """
        self._seed, self._number = seed, number
        self._actions = [np.array(action) for action in actions]
        obs, _ = self.env.reset(seed=self._episode_seed())
        for action in self._actions:
            obs, _, terminated, truncated, _ = self.env.step(action[()])
            if terminated or truncated:
                return None
        return obs

    def _episode_seed(self) -> int | None:
        if self._seed is None or self._number == 0:
            return self._seed
        return int(np.random.SeedSequence([self._seed, self._number]).generate_state(1)[0] >> 1)


def episode_logs(venv: VecEnv) -> list[EpisodeLog] | None:
    """The open episodes of all copies; None if these environments cannot repeat episodes."""
    if not all(venv.env_is_wrapped(RepeatableEpisodes)):
        return None
    logs = venv.env_method("episode_log")
    return None if any(log is None for log in logs) else logs


def repeat_episodes(
    venv: VecEnv, logs: Sequence[Mapping[str, Any]] | None, last_obs: np.ndarray
) -> bool:
    """Brings all copies to where they were.

    Args:
        venv: The environments.
        logs: Of `episode_logs`, one per copy.
        last_obs: What the copies showed then (n_envs, *observation shape).

    Returns:
        Whether they show that again. False leaves them in the middle of something: reset them.
    """
    if logs is None or len(logs) != venv.num_envs:
        return False
    if not all(venv.env_is_wrapped(RepeatableEpisodes)):
        return False
    for index, log in enumerate(logs):
        (obs,) = venv.env_method("repeat_episode", **log, indices=[index])
        if obs is None or not np.array_equal(np.asarray(obs), last_obs[index]):
            return False
    return True

"""Wrappers: episodes of fixed length, episodes that can be repeated, values from 0 on."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.seeding import derive_seed

log = logging.getLogger("airl_cli.envs")

MAX_STEPS = 20_000
"""Where nothing else limits it, an episode is cut (truncated) after so many steps: what a policy
that has learned to live, or that stands still, would otherwise never end."""

EpisodeLog = dict[str, Any]
"""`seed` and `number` of an episode and its `actions` (steps, *action shape) so far."""


def failed(name: str, method: str, error: Exception) -> InvalidValueError:
    """An exception of an environment's `reset` or `step` as an error that names the place."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return InvalidValueError(
        f"{name}: {method} raised {type(error).__name__}: {one_line(error)}{place}.",
        "Correct the environment; airl check env=... examines it.",
    )


def time_limit(env: gym.Env[Any, Any]) -> int | None:
    """Steps after which an episode ends in any case; None where nothing limits them."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, FixedHorizon):
            limits.append(env.horizon)
        elif isinstance(env, gym.wrappers.TimeLimit) and env.spec is not None:
            limits.append(env.spec.max_episode_steps or MAX_STEPS**2)
        env = env.env
    shortest = min(limits, default=None)
    return None if shortest is None or shortest > MAX_STEPS else shortest


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

    Exceptions of the environment, and rewards that are no finite number, become errors that name
    it. Without a time limit an episode of 100,000 steps is one, too: it would never end.

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
        self._name = "the environment" if env.spec is None else env.spec.id
        self._endless = time_limit(env) is None
        self._has_cut = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode: number 0 of a given seed, the next one of the last seed without."""
        if seed is not None:
            self._seed, self._number = derive_seed(seed, f"copy {self._index}"), 0
        else:
            self._number += 1
        self._actions = []
        try:
            return self.env.reset(seed=self._episode_seed(), options=options)
        except AirlError:
            raise
        except Exception as error:
            raise failed(self._name, "reset", error) from error

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Steps, and remembers the action."""
        self._actions.append(action.copy() if type(action) is np.ndarray else np.array(action))
        try:
            outcome = self.env.step(action)
            finite = math.isfinite(outcome[1])
        except AirlError:
            raise
        except Exception as error:
            raise failed(self._name, "step", error) from error
        if not finite:
            raise InvalidValueError(
                f"{self._name}: step returned the reward {outcome[1]}.",
                "Correct the environment's reward.",
            )
        if self._endless and len(self._actions) >= MAX_STEPS and not any(outcome[2:4]):
            return self._cut(outcome)
        return outcome

    def _cut(self, outcome: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if self._index == 0 and not self._has_cut:
            log.warning(
                "%s has no time limit; an episode was cut after %s steps "
                "(env.max_episode_steps sets a limit)",
                self._name,
                f"{MAX_STEPS:,}",
            )
        self._has_cut = True
        return (*outcome[:3], True, outcome[4])

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


class ZeroBased(gym.Wrapper[Any, Any, Any, Any]):
    """Renumbers Discrete and MultiDiscrete observations and actions from 0.

    Policies of Stable-Baselines3 know values from 0 on only. Demonstrations, policies and rewards
    of the wrapped environment are numbered in the same way.

    Args:
        env: The environment; its spaces are Discrete, MultiDiscrete, or others that stay as they
            are.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space, self._first_observation = _from_zero(env.observation_space)
        self.action_space, self._first_action = _from_zero(env.action_space)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Takes a renumbered action."""
        if self._first_action is not None:
            action = action + self._first_action
        observation, *rest = self.env.step(action)
        return (self._seen(observation), *rest)

    def _seen(self, observation: Any) -> Any:
        return (
            observation
            if self._first_observation is None
            else observation - self._first_observation
        )


def _from_zero(space: spaces.Space[Any]) -> tuple[spaces.Space[Any], Any]:
    """The space with values from 0, and its first value; None where it stays as it is."""
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(space.n), space.start
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec, dtype=space.dtype), space.start
    return space, None

"""Episodes of fixed length out of a task that ends early."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from airl_cli.errors import InvalidValueError


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

"""Wrappers that record what an environment does."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from airl_cli.data.recorder import TrajectoryAccumulator
from airl_cli.data.transitions import flatten_trajectories_with_rew
from airl_cli.data.types import TrajectoryWithRew, TransitionsWithRew
from airl_cli.errors import InvalidTypeError


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


class BufferingWrapper(VecEnvWrapper):
    """Records all that happens in a `VecEnv` until `pop_transitions` or `pop_trajectories`.

    Args:
        venv: The environment; call `reset` on the wrapper before the first step.
        error_on_premature_reset: Refuse a `reset` while there are steps that were not popped.

    Attributes:
        n_transitions: Steps recorded since the last pop, over all environments; None before the
            first reset.

    Raises:
        InvalidTypeError: Dict or Tuple observations.
    """

    def __init__(self, venv: VecEnv, error_on_premature_reset: bool = True) -> None:
        super().__init__(venv)
        if venv.observation_space.shape is None:
            raise InvalidTypeError(
                f"BufferingWrapper cannot keep observations of {venv.observation_space}.",
                "Flatten them first, for example with gymnasium.wrappers.FlattenObservation.",
            )
        self.error_on_premature_reset = error_on_premature_reset
        self.n_transitions: int | None = None
        self._steps = TrajectoryAccumulator()
        self._finished: list[TrajectoryWithRew] = []
        self._lengths: list[int] = []  # of the episodes that ended
        self._ages = np.zeros(venv.num_envs, dtype=np.int64)  # of those that have not
        self._acts: np.ndarray | None = None

    def reset(self) -> Any:
        """Begins new episodes.

        Raises:
            RuntimeError: Steps were not popped, see `error_on_premature_reset`.
        """
        if self.n_transitions and self.error_on_premature_reset:
            raise RuntimeError("BufferingWrapper.reset() would drop steps that were not popped")
        obs = self.venv.reset()
        self.n_transitions = 0
        self._steps = TrajectoryAccumulator()
        self._finished, self._lengths = [], []
        self._ages[:] = 0
        for env, first in enumerate(obs):
            self._steps.add_step({"obs": first}, env)
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Starts a step; see `VecEnv.step_async`."""
        assert self.n_transitions is not None, "call reset() first"
        self._acts = actions
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """Ends a step and records it; see `VecEnv.step_wait`."""
        obs, rews, dones, infos = self.venv.step_wait()
        assert self._acts is not None and self.n_transitions is not None
        assert isinstance(obs, np.ndarray)
        acts, self._acts = self._acts, None
        self.n_transitions += self.num_envs
        self._ages += 1
        self._lengths += self._ages[dones].tolist()
        self._ages[dones] = 0
        self._finished += self._steps.add_steps_and_auto_finish(acts, obs, rews, dones, infos)
        return obs, rews, dones, infos

    def pop_finished_trajectories(self) -> tuple[list[TrajectoryWithRew], list[int]]:
        """As `pop_trajectories`, without the parts of episodes that have not ended."""
        popped = self._finished, self._lengths
        self._finished, self._lengths = [], []
        self.n_transitions = 0
        return popped

    def pop_trajectories(self) -> tuple[list[TrajectoryWithRew], list[int]]:
        """What was recorded since the last pop, and the lengths of the episodes that ended.

        An episode that was popped in parts is several trajectories; a length counts the whole
        episode. The parts of episodes that have not ended are not terminal.
        """
        for env in range(self.num_envs):
            if len(self._steps.partial_trajectories[env]) > 1:
                part = self._steps.finish_trajectory(env, terminal=False)
                self._steps.add_step({"obs": part.obs[-1]}, env)
                self._finished.append(part)
        return self.pop_finished_trajectories()

    def pop_transitions(self) -> TransitionsWithRew:
        """The transitions recorded since the last pop.

        Raises:
            RuntimeError: There are none.
        """
        if not self.n_transitions:
            raise RuntimeError("BufferingWrapper.pop_transitions() without a step since the last")
        return flatten_trajectories_with_rew(self.pop_trajectories()[0])

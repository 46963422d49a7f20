"""Relabelling: the rewards that an SB3 algorithm learns from become the learned ones.

SB3 needs no reward before it computes advantages (on-policy) or draws a batch (off-policy). While
an algorithm collects, the environment therefore returns zeros; a complete rollout is relabelled in
one batch by a callback, and replayed transitions are relabelled when they are drawn, with the
reward of that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.rollouts import RecordingVecEnv

RewardFunction = Callable[[TransitionBatch, np.ndarray], np.ndarray]
"""From transitions (n) and the environment's rewards of them (n,) to rewards (n,)."""


class RelabelledVecEnv(VecEnvWrapper):
    """The environment with a learned reward.

    Args:
        venv: A recorder around the environment.
        reward: Of each step.

    Attributes:
        deferred: While True every reward is zero, because the buffer that the steps go to is
            relabelled as a whole later.
    """

    def __init__(self, venv: RecordingVecEnv, reward: RewardFunction) -> None:
        super().__init__(venv)
        self._recorder = venv
        self._reward = reward
        self.deferred = False

    def reset(self) -> np.ndarray:
        """Starts new episodes."""
        return self._recorder.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Steps; rewards (n_envs,) are the learned ones, or zeros while deferred."""
        obs, rewards, ends, infos = self.venv.step_wait()
        if self.deferred:
            return obs, np.zeros_like(rewards), ends, infos
        step = self._recorder.steps[-1]
        return obs, self._reward(step.transitions(), step.rewards), ends, infos


def relabel_rollout(
    algorithm: OnPolicyAlgorithm, rewards: np.ndarray, last_obs: np.ndarray, ends: np.ndarray
) -> None:
    """Adds rewards to a complete rollout buffer and computes its advantages anew.

    What the buffer holds, and keeps, is SB3's bootstrap `gamma V(s')` of truncated episodes: the
    environment returned zeros.

    Args:
        algorithm: Its rollout buffer is complete.
        rewards: To add (steps, n_envs).
        last_obs: Observations after the rollout (n_envs, *observation shape).
        ends: Whether episodes ended in its last step (n_envs,).
    """
    buffer, policy = algorithm.rollout_buffer, algorithm.policy
    buffer.rewards += rewards
    with th.no_grad():
        last_values = policy.predict_values(policy.obs_to_tensor(last_obs)[0])
    buffer.compute_returns_and_advantage(last_values=last_values, dones=ends)


class RelabelledReplayBuffer:
    """A replay buffer whose batches carry the current learned reward.

    Everything but `sample` is the wrapped buffer's.

    Args:
        buffer: Of an off-policy algorithm; it keeps the environment's observations and actions.
        reward: From samples to rewards (batch, 1).
    """

    def __init__(
        self, buffer: ReplayBuffer, reward: Callable[[ReplayBufferSamples], th.Tensor]
    ) -> None:
        self.wrapped = buffer
        self._reward = reward

    def sample(self, *args: Any, **kwargs: Any) -> ReplayBufferSamples:
        """As the wrapped buffer's, with relabelled rewards."""
        samples = self.wrapped.sample(*args, **kwargs)
        return samples._replace(rewards=self._reward(samples))

    def __getattr__(self, name: str) -> Any:
        if name == "wrapped":  # not there yet, while being unpickled
            raise AttributeError(name)
        return getattr(self.wrapped, name)


def plain_replay_buffer(algorithm: Any) -> ReplayBuffer | None:
    """The replay buffer of an algorithm without relabelling; None where it has none."""
    buffer = getattr(algorithm, "replay_buffer", None)
    return buffer.wrapped if isinstance(buffer, RelabelledReplayBuffer) else buffer


def env_transitions(samples: ReplayBufferSamples, venv: VecEnv) -> TransitionBatch:
    """Replayed transitions as the environment gave and received them.

    SB3 keeps Box actions scaled to [-1, 1] and flat, discrete ones in a column, images channels
    first.

    Args:
        samples: From a replay buffer (n).
        venv: The environment in which they were made.

    Returns:
        The transitions (n), with actions in the units of the environment.
    """
    acts, obs, next_obs = samples.actions, samples.observations, samples.next_observations
    space = venv.action_space
    if isinstance(space, spaces.Box):
        acts = acts.reshape(-1, *space.shape)
        low = th.as_tensor(space.low, device=acts.device)
        high = th.as_tensor(space.high, device=acts.device)
        acts = low + 0.5 * (acts + 1) * (high - low)
    elif isinstance(space, spaces.Discrete):
        acts = acts.squeeze(-1)
    if obs.ndim == 4 and obs.shape[1:] != venv.observation_space.shape:
        obs, next_obs = obs.permute(0, 2, 3, 1), next_obs.permute(0, 2, 3, 1)
    return TransitionBatch(obs, acts, next_obs, samples.dones.squeeze(-1))


class RewardScale:
    """Brings a generator's rewards to a scale that one set of hyperparameters fits.

    Rewards are divided by a running standard deviation of their discounted returns, as SB3's
    `VecNormalize` does it; their mean stays. A constant factor changes no optimal policy, and the
    objective `r - log pi` is divided as a whole, so reward and entropy keep their balance.

    Args:
        enabled: False: the scale is 1.
        n_envs: Environments of a rollout.
        discount: The generator's.
        decay: Weight of the past in the exponentially weighted variance; one step a rollout.
    """

    def __init__(
        self, enabled: bool, n_envs: int = 1, discount: float = 0.99, decay: float = 0.9
    ) -> None:
        self.enabled = enabled
        self.discount = discount
        self.decay = decay
        self.variance = 0.0
        self.weight = 0.0
        self._returns = np.zeros(n_envs)

    @property
    def scale(self) -> float:
        """The current standard deviation."""
        if not self.enabled or self.weight == 0.0:
            return 1.0
        return float(np.sqrt(self.variance / self.weight)) + 1e-8

    def state_dict(self) -> dict[str, Any]:
        """The running sums, and the open episodes' returns (n_envs,)."""
        return {"variance": self.variance, "weight": self.weight, "returns": self._returns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores them; a wrong shape is a `ValueError`."""
        self.variance, self.weight = float(state["variance"]), float(state["weight"])
        if "returns" in state:  # not in checkpoints of 0.1
            self._returns = np.array(state["returns"], float).reshape(self._returns.shape)

    def __call__(self, rewards: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Updates the scale and divides by it.

        Args:
            rewards: Of a rollout (steps, n_envs).
            ends: Whether episodes ended (steps, n_envs).
        """
        if not self.enabled:
            return rewards
        returns = np.empty(rewards.shape)
        for step, (reward, end) in enumerate(zip(rewards, ends, strict=True)):
            returns[step] = self._returns = self.discount * self._returns + reward
            self._returns = np.where(end, 0.0, self._returns)
        self.variance = self.decay * self.variance + (1 - self.decay) * float(returns.var())
        self.weight = self.decay * self.weight + (1 - self.decay)
        return rewards / np.float32(self.scale)


def set_entropy_coefficient(algorithm: Any, weight: float) -> None:
    """Fixes the entropy coefficient of SAC, TQC or CrossQ, whose tuning is another objective.

    They maximise `E[sum r - alpha log pi]` with log pi of actions that are scaled to [-1, 1].

    Args:
        algorithm: Others are left as they are.
        weight: alpha.
    """
    if not hasattr(algorithm, "ent_coef_optimizer"):
        return
    algorithm.ent_coef = weight
    algorithm.ent_coef_optimizer = algorithm.log_ent_coef = None
    algorithm.ent_coef_tensor = th.tensor(float(weight), device=algorithm.device)


def log_half_width(space: spaces.Space) -> float:
    """Log-density of scaled actions over that in the environment's units; 0 if unbounded."""
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        return 0.0
    return float(np.log((space.high.astype(float) - space.low.astype(float)) / 2).sum())

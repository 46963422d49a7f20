"""A Stable-Baselines3 algorithm that is paid what somebody else says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.health import require_finite
from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.algorithms.recording import LearnedRewardVecEnv, RecordingVecEnv, Rollout, Step
from airl_cli.algorithms.scaling import RewardScale
from airl_cli.errors import InvalidTypeError
from airl_cli.rewards.relabel import price_rollouts, price_samples, unprice

Reward = Callable[[TransitionBatch, np.ndarray], np.ndarray]
"""From transitions (n) and what the environment paid for them (n,) to rewards (n,)."""

RolloutReward = Callable[[Rollout, TransitionBatch], np.ndarray]
"""From a rollout (steps, n_envs), given as transitions too, to rewards (steps * n_envs,)."""


class Generator:
    """Trains an algorithm on a reward that is a function of transitions.

    Nothing is priced step by step while it learns: an on-policy algorithm's rollout is priced in
    one batch when it is complete, an off-policy algorithm's replayed transitions when they are
    drawn, with the reward of that moment.

    Args:
        algorithm: Its environment is replaced; nothing else of it changes.
        venv: Environment to train in.
        rollout_reward: Pays a complete on-policy rollout.
        reward: Pays whoever steps `venv_train`.
        replay_reward: Pays transitions drawn from a replay buffer. Separate from `reward`,
            because off-policy algorithms bring an entropy term of their own.
        observe: Told of every rollout before it is priced, and of what else was recorded.
        observe_unpriced: Told, after `observe`, of what is not paid by `rollout_reward`.
        before_pricing: Called when an on-policy rollout is complete, after `observe`.
        scale: Applied to on-policy rewards as a whole.
        use_env_reward: Leave the environment's own reward in place.

    Attributes:
        venv_wrapped: `venv`, recorded.
        venv_train: `venv` with `reward`; `venv` itself where `use_env_reward`.
    """

    def __init__(
        self,
        algorithm: BaseAlgorithm,
        venv: VecEnv,
        *,
        rollout_reward: RolloutReward,
        reward: Reward,
        replay_reward: Reward,
        observe: Callable[[Rollout, TransitionBatch], None],
        observe_unpriced: Callable[[Rollout, TransitionBatch], object],
        before_pricing: Callable[[], None],
        scale: RewardScale,
        use_env_reward: bool = False,
    ) -> None:
        self.algorithm = algorithm
        self.venv = venv
        self._rollout_reward = rollout_reward
        self._reward = reward
        self._replay_reward = replay_reward
        self._observe = observe
        self._observe_unpriced = observe_unpriced
        self._before_pricing = before_pricing
        self.scale = scale
        self.venv_wrapped = RecordingVecEnv(venv)
        self._paying = LearnedRewardVecEnv(self.venv_wrapped, self._price_step)
        self.venv_train: VecEnv = venv if use_env_reward else self._paying
        self._price_buffers(use_env_reward)
        algorithm.set_env(self.venv_wrapped if use_env_reward else self._paying)

    @property
    def round_size(self) -> int:
        """Environment steps of one rollout on-policy, one step of every env off-policy."""
        if isinstance(self.algorithm, OnPolicyAlgorithm):
            return self.venv.num_envs * self.algorithm.n_steps
        return self.venv.num_envs

    @property
    def is_on_policy(self) -> bool:
        """Whether rewards are needed once, for the rollout that was just made."""
        return isinstance(self.algorithm, OnPolicyAlgorithm)

    def learn(self, timesteps: int, learn_kwargs: Mapping[str, Any] | None = None) -> None:
        """Trains for a number of environment steps.

        Args:
            timesteps: Environment steps, of all environments together.
            learn_kwargs: For the algorithm's `learn`.

        Raises:
            NonFiniteError: NaN or infinity in a reward, an observation or a weight.
        """
        settings = {"reset_num_timesteps": False, "log_interval": None, **(learn_kwargs or {})}
        with self._pricing_deferred():
            try:
                self.algorithm.learn(total_timesteps=timesteps, **settings)
            except ValueError as error:
                # torch refuses NaN parameters of a distribution before we could look
                require_finite("observation", self.venv_wrapped.last_observation(), error)
                require_finite("generator weight", self.algorithm.policy, error)
                raise
        require_finite("generator weight", self.algorithm.policy)
        if len(self.venv_wrapped):
            self._observe_unpriced(*self._take_rollout())

    def log_prob(self, batch: TransitionBatch) -> th.Tensor:
        """Log pi(a|s) (n,) of the current policy, for the actions that reached the env."""
        policy = self.algorithm.policy
        if policy.training:
            policy.set_training_mode(False)
        batch = batch.to(self.algorithm.device)
        with th.no_grad():
            return action_log_prob(policy, batch.obs, batch.acts)

    def _price_buffers(self, use_env_reward: bool) -> None:
        rollouts = getattr(self.algorithm, "rollout_buffer", None)
        replay = getattr(self.algorithm, "replay_buffer", None)
        for buffer in (rollouts, replay):
            if buffer is not None:
                unprice(buffer)
        if use_env_reward:
            return
        if rollouts is not None:
            price_rollouts(rollouts, self._price_rollout)
        elif replay is not None:
            price_samples(replay, self._price_samples)

    @contextmanager
    def _pricing_deferred(self) -> Iterator[None]:
        self._paying.deferred = True
        try:
            yield
        finally:
            self._paying.deferred = False

    def _take_rollout(self) -> tuple[Rollout, TransitionBatch]:
        rollout = self.venv_wrapped.pop()
        require_finite("observation", rollout.next_obs)
        require_finite("environment reward", rollout.rewards)
        batch = TransitionBatch.of(rollout.columns())
        self._observe(rollout, batch)
        return rollout, batch

    def _price_rollout(self) -> np.ndarray:
        rollout, batch = self._take_rollout()
        self._before_pricing()
        rewards = self._rollout_reward(rollout, batch).reshape(rollout.shape)
        require_finite("learned reward", rewards)
        return self.scale(rewards)

    def _price_step(self, step: Step) -> np.ndarray:
        columns = {"obs": step.obs, "acts": step.acts, "next_obs": step.next_obs}
        return self._reward(TransitionBatch.of({**columns, "dones": step.dones}), step.rewards)

    def _price_samples(self, samples: ReplayBufferSamples) -> th.Tensor:
        batch = env_transitions(samples, self.venv)
        rewards = self._replay_reward(batch, samples.rewards.squeeze(-1).cpu().numpy())
        require_finite("learned reward", rewards)
        return th.as_tensor(rewards, device=samples.rewards.device).unsqueeze(-1)


def env_transitions(samples: ReplayBufferSamples, venv: VecEnv) -> TransitionBatch:
    """Replayed transitions as the environment gave and got them.

    SB3 keeps Box actions scaled to [-1, 1], discrete ones in a column, images channels first.

    Args:
        samples: From a replay buffer (n).
        venv: The environment in which they were made.

    Returns:
        The transitions (n), with actions in the units of the environment.
    """
    acts, obs, next_obs = samples.actions, samples.observations, samples.next_observations
    if isinstance(venv.action_space, spaces.Box):
        low = th.as_tensor(venv.action_space.low, device=acts.device)
        high = th.as_tensor(venv.action_space.high, device=acts.device)
        acts = low + 0.5 * (acts + 1) * (high - low)
    elif isinstance(venv.action_space, spaces.Discrete):
        acts = acts.squeeze(-1)
    if obs.ndim == 4 and obs.shape[1:] != venv.observation_space.shape:
        obs, next_obs = obs.permute(0, 2, 3, 1), next_obs.permute(0, 2, 3, 1)
    return TransitionBatch(obs, acts, next_obs, samples.dones.squeeze(-1))


def check_generator(algorithm: BaseAlgorithm) -> None:
    """Refuses algorithms whose buffers cannot be priced.

    Raises:
        InvalidTypeError: Neither on-policy nor off-policy, or an n-step replay buffer.
    """
    if not isinstance(algorithm, OnPolicyAlgorithm | OffPolicyAlgorithm):
        raise InvalidTypeError(
            f"{type(algorithm).__name__} is no Stable-Baselines3 algorithm with a rollout or "
            "replay buffer.",
            "Use an on-policy (PPO, A2C, TRPO) or off-policy (SAC, TQC) algorithm.",
        )
    replay = getattr(algorithm, "replay_buffer", None)
    n_steps = getattr(replay, "n_steps", 1)
    if n_steps > 1:
        raise InvalidTypeError(
            f"{type(algorithm).__name__} sums rewards over {n_steps} steps; a learned reward is "
            "priced for single transitions when they are drawn.",
            "Set generator.n_steps=1.",
        )

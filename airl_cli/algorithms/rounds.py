"""Training in rounds: the loop that all trainers share, whatever reward their generator gets.

SB3's `learn` collects rollouts and updates the policy. A callback does the rest of a round: when a
rollout is complete it calls `RoundTrainer.after_rollout`, and when the steps of a round are
collected and the policy is updated, `RoundTrainer.end_round`.
"""

from __future__ import annotations

import abc
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import HumanOutputFormat, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.callbacks import RolloutsCallback, RoundsCallback
from airl_cli.algorithms.checks import (
    check_generator,
    check_total_timesteps,
    check_venv,
    discount_of,
    rollout_steps,
)
from airl_cli.algorithms.generator_state import generator_state, load_generator_state
from airl_cli.algorithms.health import Weights, require_finite
from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.algorithms.relabel import (
    RelabelledReplayBuffer,
    RelabelledVecEnv,
    RewardScale,
    env_transitions,
    log_half_width,
    plain_replay_buffer,
    relabel_rollout,
    set_entropy_coefficient,
)
from airl_cli.algorithms.rollouts import EpisodeStats, RecordingVecEnv, Rollout
from airl_cli.algorithms.state import State, fitting, load_module
from airl_cli.envs.check import check_fixed_horizon
from airl_cli.errors import NonFiniteEnvironmentError, NonFiniteError


class RoundTrainer(abc.ABC):
    """Trains a generator on a reward, round by round.

    Args:
        venv: Environment to train in.
        gen_algo: Stable-Baselines3 algorithm; its environment, logger and replay buffer are
            wrapped or replaced.
        log_dir: Folder of the logger that is made when none is given; nothing is written there.
        gen_train_timesteps: Environment steps per round, rounded up to whole rollouts. None: one
            rollout, which is `n_envs * n_steps` on-policy and `n_envs * train_freq` off-policy.
        custom_logger: Where to record; None: a table on stdout after every round.
        use_env_reward: Train on the environment's own reward.
        allow_variable_horizon: Accept episodes of different length.
        normalize_gen_reward: Divide on-policy rewards by the running standard deviation of their
            discounted returns.
        absorbing: Episodes may end early in terminal states; those that are truncated must be of
            one length.

    Attributes:
        venv_wrapped: `venv`, recorded.
        venv_train: `venv` with the reward that the generator is trained on.
        stats: Figures of the newest round, see `train`.
        good_weights: State dicts of policy and reward net after the newest complete round.
    """

    def __init__(
        self,
        *,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        log_dir: str | Path = "output/",
        gen_train_timesteps: int | None = None,
        custom_logger: Logger | None = None,
        use_env_reward: bool = False,
        allow_variable_horizon: bool = False,
        normalize_gen_reward: bool = False,
        absorbing: bool = False,
    ) -> None:
        check_generator(gen_algo)
        check_venv(venv, gen_algo)
        self.venv = venv
        self.gen_algo = gen_algo
        self.use_env_reward = use_env_reward
        self.allow_variable_horizon = allow_variable_horizon
        self.venv_wrapped = RecordingVecEnv(venv)
        self._relabelled = RelabelledVecEnv(self.venv_wrapped, self.generator_reward)
        self.venv_train: VecEnv = venv if use_env_reward else self._relabelled
        gen_algo.set_env(self.venv_wrapped if use_env_reward else self._relabelled)
        self._wrap_replay_buffer()
        self.absorbing = absorbing
        self.scale = RewardScale(normalize_gen_reward, venv.num_envs, discount_of(gen_algo))
        rollout = rollout_steps(gen_algo)
        self.gen_train_timesteps = -(-(gen_train_timesteps or rollout) // rollout) * rollout
        self.stats: dict[str, float] = {}
        self._episodes = EpisodeStats(venv.num_envs)
        self._started_at = 0  # the algorithm's timesteps when round 0 began
        self._scheduled_steps: int | None = None  # of all rounds; None outside of `train`
        self._logger = custom_logger or Logger(str(log_dir), [HumanOutputFormat(sys.stdout)])
        gen_algo.set_logger(self._logger)
        self._set_entropy()

    # -- where the trainers differ -------------------------------------------------------------

    @abc.abstractmethod
    def learned_reward(self, batch: TransitionBatch, env_rewards: np.ndarray) -> np.ndarray:
        """The reward itself, without an entropy term.

        Args:
            batch: Transitions (n).
            env_rewards: The environment's rewards of them (n,).

        Returns:
            Rewards (n,).
        """

    @property
    def entropy_weight(self) -> float:
        """Weight w of `- w log pi(a|s)` in the reward of on-policy generators."""
        return 0.0

    @property
    def trained_modules(self) -> Mapping[str, nn.Module]:
        """Everything whose weights a round changes."""
        return {"policy": self.policy}

    def after_rollout(self) -> None:
        """What follows when a rollout is complete; SB3 then updates the policy."""
        self.relabel(*self.collect())

    def learned_facts(self) -> dict[str, Any]:
        """What belongs to a learned reward besides its weights; nothing is learned here."""
        return {}

    def end_round(self) -> Mapping[str, float]:
        """What follows when a round's policy update is done; returns figures for `stats`."""
        return {}

    # -- a rollout and its rewards -------------------------------------------------------------

    def collect(self) -> tuple[Rollout, TransitionBatch]:
        """The newest rollout (steps, n_envs), and its transitions.

        Raises:
            NonFiniteError: NaN or infinity in an observation or a reward of the environment.
            InvalidValueError: Episodes of different length, unless allowed.
        """
        rollout = self.venv_wrapped.pop()
        require_finite("observation", rollout.next_obs, kind=NonFiniteEnvironmentError)
        require_finite("environment reward", rollout.rewards, kind=NonFiniteEnvironmentError)
        self._episodes.add(
            rollout,
            length=np.ones(rollout.shape),
            terminal=rollout.dones.astype(float),
            true=rollout.rewards,
        )
        check_fixed_horizon(
            self._episodes.lengths(with_terminal=not self.absorbing),
            allow_variable_horizon=self.allow_variable_horizon,
            what="the generator's episodes",
        )
        return rollout, rollout.transitions()

    def relabel(self, rollout: Rollout, batch: TransitionBatch) -> None:
        """Counts the learned reward, and gives an on-policy generator its own.

        Off-policy generators receive theirs when they draw from the replay buffer.

        Args:
            rollout: As collected (steps, n_envs).
            batch: Its transitions.
        """
        env_rewards = rollout.rewards.ravel()
        learned = self.learned_reward(batch, env_rewards)
        self._episodes.add(rollout, learned=learned.reshape(rollout.shape))
        if self.use_env_reward or not isinstance(self.gen_algo, OnPolicyAlgorithm):
            self._set_entropy()
            return
        rewards = self.generator_reward(batch, env_rewards, learned).reshape(rollout.shape)
        require_finite("learned reward", rewards)
        last_obs = self.venv_wrapped.last_observation()
        assert last_obs is not None
        relabel_rollout(
            self.gen_algo, self.scale(rewards, rollout.ends), last_obs, rollout.ends[-1]
        )

    def generator_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """`r(s, a, s') - w log pi(a|s)` (n,), for on-policy generators, before scaling.

        r is the `replay_reward`, w the `entropy_weight`, and the log-probability that of the
        action which reached the environment (`airl_cli.algorithms.log_prob`).

        Args:
            batch: The transitions (n).
            env_rewards: The environment's rewards of them (n,).
            learned: Their `learned_reward` (n,), if it is known already.
        """
        rewards = self.replay_reward(batch, env_rewards, learned)
        weight = float(self.entropy_weight)
        if weight == 0.0:
            return rewards
        return rewards - weight * self.policy_log_prob(batch).cpu().numpy()

    def replay_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """The reward of off-policy generators for replayed transitions (n,).

        Without `- w log pi`, which such algorithms have of their own. Arguments as above.
        """
        return self.learned_reward(batch, env_rewards) if learned is None else learned

    def policy_log_prob(self, batch: TransitionBatch) -> th.Tensor:
        """Log pi(a|s) (n,) of the current policy, for the actions that reached the env."""
        if self.policy.training:
            self.policy.set_training_mode(False)
        batch = batch.to(self.gen_algo.device)
        with th.no_grad():
            return action_log_prob(self.policy, batch.obs, batch.acts)

    def _set_entropy(self) -> None:
        """Off-policy algorithms have the term `- w log pi` of their own, where w is not 0."""
        if self.entropy_weight and not self.use_env_reward:
            set_entropy_coefficient(self.gen_algo, float(self.entropy_weight))

    def _wrap_replay_buffer(self) -> None:
        plain = plain_replay_buffer(self.gen_algo)
        if plain is None:
            return
        wrapped = RelabelledReplayBuffer(plain, self._replayed_rewards)
        self.gen_algo.replay_buffer = plain if self.use_env_reward else wrapped  # type: ignore[attr-defined]

    def _replayed_rewards(self, samples: ReplayBufferSamples) -> th.Tensor:
        batch = env_transitions(samples, self.venv)
        rewards = self.replay_reward(batch, samples.rewards.squeeze(-1).cpu().numpy())
        if self.entropy_weight:  # their log pi is of scaled actions
            shift = self.entropy_weight * log_half_width(self.venv.action_space)
            rewards = rewards + np.float32(shift)
        require_finite("learned reward", rewards)
        return th.as_tensor(rewards, device=samples.rewards.device).unsqueeze(-1)

    # -- members that users know ---------------------------------------------------------------

    @property
    def is_on_policy(self) -> bool:
        """Whether the generator learns from whole rollouts instead of a replay buffer."""
        return isinstance(self.gen_algo, OnPolicyAlgorithm)

    @property
    def policy(self) -> BasePolicy:
        """The policy in training."""
        return self.gen_algo.policy

    @property
    def logger(self) -> Logger:
        """Where everything is recorded, shared with the generator."""
        return self._logger

    @logger.setter
    def logger(self, logger: Logger) -> None:
        self._logger = logger
        self.gen_algo.set_logger(logger)

    @property
    def remaining(self) -> float:
        """Share of the training that remains, 1 to 0; 1 outside of `train`."""
        if self._scheduled_steps is None:
            return 1.0
        done = self.gen_algo.num_timesteps - self._started_at
        return max(0.0, 1.0 - done / self._scheduled_steps)

    # -- training ------------------------------------------------------------------------------

    def train(
        self,
        total_timesteps: int,
        callback: Callable[[int], None] | None = None,
        *,
        completed_rounds: int = 0,
    ) -> None:
        """Trains round by round.

        After every round `stats` holds its figures (returns are those of the episodes that ended
        in it, NaN where none did), the logger is dumped, and `callback(round)` is called.

        Args:
            total_timesteps: Environment steps in all, never passed.
            callback: Called with 0, 1, ... after each round.
            completed_rounds: How many of the rounds are done already (`load_state_dict`): numbers
                and schedules are resumed from there.

        Raises:
            InvalidValueError: Not enough steps for one round.
            NonFiniteError: NaN or infinity in a loss, a reward or a weight; all nets then hold
                the weights from before that round.
        """
        n_rounds = check_total_timesteps(total_timesteps, self.gen_train_timesteps)
        if completed_rounds >= n_rounds:
            return
        if completed_rounds == 0:
            self._started_at = self.gen_algo.num_timesteps
        self._scheduled_steps = n_rounds * self.gen_train_timesteps
        self.good_weights = Weights(**self.trained_modules)
        rounds = RoundsCallback(self, completed_rounds, callback)
        try:
            self._learn((n_rounds - completed_rounds) * self.gen_train_timesteps, [rounds])
        except NonFiniteError as error:
            self.good_weights.restore()
            error.add_round(rounds.number)
            raise
        finally:
            self._scheduled_steps = None

    def train_gen(
        self, total_timesteps: int | None = None, learn_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Trains the generator, and keeps its samples.

        Args:
            total_timesteps: Environment steps; None: `gen_train_timesteps`.
            learn_kwargs: For the algorithm's `learn`.

        Raises:
            NonFiniteError: NaN or infinity in a reward, an observation or a weight.
            InvalidValueError: Episodes of different length, unless allowed.
        """
        settings = dict(learn_kwargs or {})
        given = settings.pop("callback", None) or []
        callbacks = [RolloutsCallback(self), *(given if isinstance(given, list) else [given])]
        steps = self.gen_train_timesteps if total_timesteps is None else total_timesteps
        self._learn(steps, callbacks, **settings)

    def _learn(self, steps: int, callbacks: list[Any], **learn_kwargs: Any) -> None:
        settings = {"reset_num_timesteps": False, "log_interval": None, **learn_kwargs}
        self._relabelled.deferred = True
        try:
            self.gen_algo.learn(steps, callback=CallbackList(callbacks), **settings)
        except ValueError as error:
            # torch refuses NaN parameters of a distribution before we could look
            shown = self.venv_wrapped.last_observation()
            require_finite("observation", shown, error, kind=NonFiniteEnvironmentError)
            require_finite("generator weight", self.policy, error)
            raise
        finally:
            self._relabelled.deferred = False
        require_finite("generator weight", self.policy)

    def finish_round(self, number: int, seconds: float) -> None:
        """Ends a round: the trainer's part, figures, log and the copy of good weights.

        Args:
            number: Of the round, from 0.
            seconds: That it took so far.
        """
        require_finite("generator weight", self.policy)
        started = time.perf_counter()
        more = self.end_round()
        self._summarise(number, more, seconds + time.perf_counter() - started)
        self.good_weights = Weights(**self.trained_modules)

    # -- state ---------------------------------------------------------------------------------

    def state_dict(self) -> State:
        """Everything the next round depends on, but the process's random generators.

        Taken between rounds; see `airl_cli.algorithms.state` for what a state is made of.
        """
        return {
            "policy": self.policy.state_dict(),
            "generator": generator_state(self.gen_algo, self.venv_wrapped, self.scale),
            **self._episodes.state_dict(),
            "started_at": self._started_at,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Restores a state, for `train(..., completed_rounds=...)`.

        Returns:
            Whether the open episodes were restored: what follows is then the same to the bit.
            False: these environments cannot be restored, and new episodes begin.

        Raises:
            InvalidValueError: The state is of a trainer with other settings; this one is then
                half changed.
        """
        with fitting("generator"):
            load_module(self.policy, state["policy"])
            restored = load_generator_state(
                self.gen_algo, self.venv_wrapped, self.scale, state["generator"]
            )
            self._episodes.load_state_dict(state, restored=restored)
            self._started_at = int(state["started_at"])
        return restored

    # -- figures -------------------------------------------------------------------------------

    def _summarise(self, number: int, more: Mapping[str, float], seconds: float) -> None:
        rollout_stats = {
            **self._episodes.means(),
            "reward_scale": self.scale.scale,
        }
        self.stats = {
            "round": float(number),
            "env_steps": float(self.gen_algo.num_timesteps),
            "steps_per_second": self.gen_train_timesteps / seconds,
            **rollout_stats,
            **more,
        }
        for name, value in rollout_stats.items():
            self.logger.record(f"rollout/{name}", value)
        self.logger.record("time/steps_per_second", self.stats["steps_per_second"])
        self.logger.dump(step=self.gen_algo.num_timesteps)
        self._episodes.next_round()

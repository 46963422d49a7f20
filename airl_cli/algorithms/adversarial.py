"""The adversarial game: a generator against a discriminator made of a reward net."""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv
from torch.utils.tensorboard import SummaryWriter

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.checks import check_generator, check_minibatch_size, check_spaces
from airl_cli.algorithms.discriminator import accumulate_gradients, discriminator_stats
from airl_cli.algorithms.health import Snapshot, require_finite
from airl_cli.algorithms.recording import (
    EpisodeSums,
    LearnedRewardVecEnv,
    RecordingVecEnv,
    Rollout,
)
from airl_cli.algorithms.samples import (
    ArraySampler,
    Demonstrations,
    GeneratorBuffer,
    TransitionMapping,
    demonstration_sampler,
)
from airl_cli.algorithms.scaling import RewardScale
from airl_cli.algorithms.schedule import overall_progress
from airl_cli.envs.horizon import check_fixed_horizon
from airl_cli.errors import InvalidValueError, NonFiniteError
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.relabel import price_rollouts, price_samples, unprice


class AdversarialTrainer(abc.ABC):
    """Trains a generator and a discriminator against each other, round by round.

    A round is: the generator trains for `gen_train_timesteps` steps on the learned reward, then
    the discriminator is updated `n_disc_updates_per_round` times on expert and generator samples.

    Args:
        demonstrations: `Transitions`; a sequence of `Trajectory`; or an iterable (a torch
            `DataLoader` too) of mappings with `obs`, `acts`, `next_obs`, `dones`.
        demo_batch_size: Expert samples per discriminator batch; the batch is twice this, with one
            generator sample for each.
        venv: Environment to train in.
        gen_algo: Stable-Baselines3 algorithm; its environment and logger are replaced.
        reward_net: From (s, a, s', done) to rewards; trained as part of the discriminator.
        demo_minibatch_size: Expert samples in memory at a time; gradients are accumulated over the
            minibatches of a batch. None: the whole batch. Must divide `demo_batch_size`.
        n_disc_updates_per_round: Discriminator updates after the generator's training.
        log_dir: Where logs go when no logger is given.
        disc_opt_cls: Optimiser of the discriminator.
        disc_opt_kwargs: For the optimiser.
        gen_train_timesteps: Environment steps per round. None: `n_envs * n_steps` on-policy,
            `n_envs` off-policy.
        gen_replay_buffer_capacity: Generator samples kept for the discriminator. None: those of
            the newest round.
        custom_logger: Where to record; None makes one in `log_dir`.
        init_tensorboard: Write a TensorBoard summary of every discriminator update.
        init_tensorboard_graph: With `init_tensorboard`: write the reward net's graph, too.
        debug_use_ground_truth: Train the generator on the environment's own reward, to see
            whether policy training works at all.
        allow_variable_horizon: Accept episodes of different length. They leak information about
            the reward (Kostrikov et al. 2019), so they are an error otherwise.
        n_disc_updates_before_pricing: Discriminator updates on each complete rollout before it is
            priced, as in Fu, Luo & Levine 2018, algorithm 1. On-policy generators only.
        normalize_gen_reward: Divide the generator's whole reward by its running standard
            deviation. On-policy generators only: off-policy ones balance it with an entropy of
            their own.
        rng: Source of the sampling; None: seeded from torch's generator.

    Raises:
        InvalidValueError: `demo_minibatch_size` does not divide, fewer demonstrations than a
            batch, demonstrations that do not fit the spaces, and the like (a `ValueError`).
        InvalidTypeError: Unusable kinds of generator, space or demonstrations (a `TypeError`).

    Attributes:
        stats: Figures of the newest round, see `train`.
    """

    def __init__(
        self,
        *,
        demonstrations: Demonstrations,
        demo_batch_size: int,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        reward_net: RewardNet,
        demo_minibatch_size: int | None = None,
        n_disc_updates_per_round: int = 2,
        log_dir: str | Path = "output/",
        disc_opt_cls: type[th.optim.Optimizer] = th.optim.Adam,
        disc_opt_kwargs: Mapping[str, Any] | None = None,
        gen_train_timesteps: int | None = None,
        gen_replay_buffer_capacity: int | None = None,
        custom_logger: Logger | None = None,
        init_tensorboard: bool = False,
        init_tensorboard_graph: bool = False,
        debug_use_ground_truth: bool = False,
        allow_variable_horizon: bool = False,
        n_disc_updates_before_pricing: int = 0,
        normalize_gen_reward: bool = False,
        rng: np.random.Generator | None = None,
    ) -> None:
        check_generator(gen_algo)
        check_spaces(venv, gen_algo, reward_net)
        self.demo_batch_size = demo_batch_size
        self.demo_minibatch_size = check_minibatch_size(demo_batch_size, demo_minibatch_size)
        self.n_disc_updates_per_round = n_disc_updates_per_round
        self.n_disc_updates_before_pricing = n_disc_updates_before_pricing
        self.allow_variable_horizon = allow_variable_horizon
        self.debug_use_ground_truth = debug_use_ground_truth
        self.rng = rng or np.random.default_rng(int(th.randint(2**31, ())))
        self.venv = venv
        self.gen_algo = gen_algo
        self.reward_net = reward_net.to(gen_algo.device)
        self.set_demonstrations(demonstrations)
        self.disc_opt = self._make_optimizer(disc_opt_cls, dict(disc_opt_kwargs or {}))
        self.gen_train_timesteps = gen_train_timesteps or default_round_size(gen_algo, venv)
        capacity = gen_replay_buffer_capacity
        self.gen_replay_buffer = GeneratorBuffer(
            self.gen_train_timesteps if capacity is None else capacity, self.rng
        )
        self.reward_scale = RewardScale(normalize_gen_reward)
        self.stats: dict[str, float] = {}
        self._sums = {name: EpisodeSums(venv.num_envs) for name in ("length", "true", "learned")}
        self._finished: dict[str, list[float]] = {name: [] for name in self._sums}
        self._disc_step = 0
        self._summary = _summary_writer(log_dir, init_tensorboard)
        self._graph_pending = init_tensorboard and init_tensorboard_graph
        self._logger = custom_logger or Logger(str(log_dir), _formats(log_dir, init_tensorboard))
        gen_algo.set_logger(self._logger)
        self._wrap_environment()

    # -- what the algorithms differ in ---------------------------------------------------------

    @abc.abstractmethod
    def logits_expert_is_high(
        self,
        state: th.Tensor,
        action: th.Tensor,
        next_state: th.Tensor,
        done: th.Tensor,
        log_policy_act_prob: th.Tensor | None = None,
    ) -> th.Tensor:
        """The discriminator's logits (batch,): high means expert.

        Args:
            state: Preprocessed observations (batch, ...).
            action: Preprocessed actions (batch, ...).
            next_state: Preprocessed observations after the actions.
            done: 1.0 where `next_state` is terminal (batch,).
            log_policy_act_prob: log pi(a|s) of the generator (batch,).
        """

    @property
    @abc.abstractmethod
    def reward_train(self) -> RewardNet:
        """The net that trains the generator."""

    @property
    @abc.abstractmethod
    def reward_test(self) -> RewardNet:
        """The net to use after training."""

    def log_prob(self, batch: TransitionBatch) -> th.Tensor | None:
        """Log pi(a|s) (batch,) where the algorithm needs it; None elsewhere."""
        del batch
        return None

    def generator_reward(self, batch: TransitionBatch) -> np.ndarray:
        """What an on-policy generator is paid for the transitions (n,), before scaling."""
        return self.reward_train.predict_processed(*(x.numpy() for x in batch))

    # -- members that users know ---------------------------------------------------------------

    @property
    def policy(self) -> BasePolicy:
        """The imitating policy."""
        return self.gen_algo.policy

    @property
    def logger(self) -> Logger:
        """Where everything is recorded, shared with the generator."""
        return self._logger

    @logger.setter
    def logger(self, logger: Logger) -> None:
        self._logger = logger
        self.gen_algo.set_logger(logger)

    def set_demonstrations(self, demonstrations: Demonstrations) -> None:
        """Replaces the demonstrations; accepts what the constructor accepts."""
        self._demonstrations = demonstration_sampler(
            demonstrations, self.demo_batch_size, self.rng, self.gen_algo.device
        )
        if isinstance(self._demonstrations, ArraySampler):
            _check_shapes(self._demonstrations.transitions, self.venv)

    # -- training ------------------------------------------------------------------------------

    def train(self, total_timesteps: int, callback: Callable[[int], None] | None = None) -> None:
        """Rounds of generator and discriminator training.

        After every round `stats` holds its figures (returns are those of the episodes that ended
        in it, NaN where none did), the logger is dumped, and `callback(round)` is called.

        Args:
            total_timesteps: Environment steps in all; stops before a round would pass it.
            callback: Called with 0, 1, ... after each round.

        Raises:
            InvalidValueError: Not enough steps for one round.
            NonFiniteError: NaN or infinity in a loss, a reward or a weight; generator and reward
                net then hold the weights from before that round.
        """
        n_rounds = total_timesteps // self.gen_train_timesteps
        if n_rounds < 1:
            raise InvalidValueError(
                f"total_timesteps={total_timesteps} is not enough for one round of "
                f"{self.gen_train_timesteps} steps.",
                f"Set trainer.total_timesteps to at least {self.gen_train_timesteps}.",
            )
        with overall_progress(self.gen_algo, n_rounds * self.gen_train_timesteps):
            for number in range(n_rounds):
                self._train_round(number)
                if callback is not None:
                    callback(number)

    def _train_round(self, number: int) -> None:
        started = time.perf_counter()
        last_good = Snapshot(generator=self.policy, reward=self.reward_net)
        disc_stats: dict[str, float] = {}
        try:
            self.train_gen(self.gen_train_timesteps)
            for _ in range(self.n_disc_updates_per_round):
                disc_stats = dict(self.train_disc())
        except NonFiniteError as error:
            last_good.restore()
            error.add_round(number)
            raise
        self._summarise_round(number, disc_stats, time.perf_counter() - started)

    def train_gen(
        self, total_timesteps: int | None = None, learn_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Trains the generator on the learned reward, and keeps its samples.

        Args:
            total_timesteps: Environment steps; None: `gen_train_timesteps`.
            learn_kwargs: For the algorithm's `learn`.

        Raises:
            NonFiniteError: NaN or infinity in a reward, an observation or a weight.
            InvalidValueError: Episodes of different length, unless allowed.
        """
        settings = {"reset_num_timesteps": False, "log_interval": None, **(learn_kwargs or {})}
        steps = self.gen_train_timesteps if total_timesteps is None else total_timesteps
        with self._rewards_deferred():
            try:
                self.gen_algo.learn(total_timesteps=steps, **settings)
            except ValueError as error:
                # torch refuses NaN parameters of a distribution before we could look
                require_finite("observation", self.venv_wrapped.last_observation(), error)
                require_finite("generator weight", self.policy, error)
                raise
        require_finite("generator weight", self.policy)
        if len(self.venv_wrapped):
            self._take_rollout()

    def train_disc(
        self,
        *,
        expert_samples: TransitionMapping | None = None,
        gen_samples: TransitionMapping | None = None,
    ) -> Mapping[str, float]:
        """One update of the discriminator.

        Args:
            expert_samples: `demo_batch_size` transitions as a mapping of arrays or tensors; None
                draws from the demonstrations.
            gen_samples: As many of the generator's; None draws from its newest ones.

        Returns:
            Loss, accuracies, entropy and sample numbers, see `discriminator_stats`.

        Raises:
            InvalidValueError: A wrong number of samples.
            RuntimeError: No generator samples yet.
            NonFiniteError: The loss is NaN or infinite; no step was taken.
        """
        expert = self._disc_samples(expert_samples, self._demonstrations, "expert_samples")
        generated = self._disc_samples(gen_samples, self.gen_replay_buffer, "gen_samples")
        self.disc_opt.zero_grad()
        loss, logits = accumulate_gradients(
            self.reward_net, self._logits, expert, generated, self.demo_minibatch_size
        )
        require_finite("discriminator loss", loss)
        self.disc_opt.step()
        stats = discriminator_stats(loss, logits)
        self._record_disc(stats, expert)
        return stats

    # -- parts ---------------------------------------------------------------------------------

    def _make_optimizer(
        self, cls: type[th.optim.Optimizer], kwargs: dict[str, Any]
    ) -> th.optim.Optimizer:
        return cls(self.reward_net.parameters(), **kwargs)

    def _wrap_environment(self) -> None:
        self.venv_wrapped = RecordingVecEnv(self.venv)
        self.venv_train: VecEnv = LearnedRewardVecEnv(self.venv_wrapped, self._price_step)
        train_env: VecEnv = self.venv_train
        buffer = getattr(self.gen_algo, "rollout_buffer", None)
        replay = getattr(self.gen_algo, "replay_buffer", None)
        if self.debug_use_ground_truth:
            self.venv_train, train_env = self.venv, self.venv_wrapped
            for held in (x for x in (buffer, replay) if x is not None):
                unprice(held)
        elif buffer is not None:
            price_rollouts(buffer, self._price_rollout)
        elif replay is not None:
            price_samples(replay, self._price_samples)
        self.gen_algo.set_env(train_env)

    @contextmanager
    def _rewards_deferred(self) -> Iterator[None]:
        env = self.venv_train
        if not isinstance(env, LearnedRewardVecEnv):
            yield
            return
        env.deferred = True
        try:
            yield
        finally:
            env.deferred = False

    def _price_step(
        self, obs: np.ndarray, acts: np.ndarray, next_obs: np.ndarray, dones: np.ndarray
    ) -> np.ndarray:
        columns = {"obs": obs, "acts": acts, "next_obs": next_obs, "dones": dones}
        return self.generator_reward(TransitionBatch.of(columns))

    def _price_rollout(self) -> np.ndarray:
        rollout, batch = self._take_rollout()
        for _ in range(self.n_disc_updates_before_pricing):
            self.train_disc()
        rewards = self.generator_reward(batch).reshape(rollout.shape)
        require_finite("learned reward", rewards)
        return self.reward_scale(rewards)

    def _price_samples(self, samples: ReplayBufferSamples) -> th.Tensor:
        acts, obs, next_obs = samples.actions, samples.observations, samples.next_observations
        if isinstance(self.venv.action_space, spaces.Box):
            low = th.as_tensor(self.venv.action_space.low, device=acts.device)
            high = th.as_tensor(self.venv.action_space.high, device=acts.device)
            acts = low + 0.5 * (acts + 1) * (high - low)  # SB3 keeps them scaled to [-1, 1]
        elif isinstance(self.venv.action_space, spaces.Discrete):
            acts = acts.squeeze(-1)
        if obs.shape[1:] != self.venv.observation_space.shape and obs.ndim == 4:
            obs, next_obs = obs.permute(0, 2, 3, 1), next_obs.permute(0, 2, 3, 1)
        rewards = self.reward_train.predict_th(obs, acts, next_obs, samples.dones.squeeze(-1))
        require_finite("learned reward", rewards)
        return rewards.unsqueeze(-1)

    def _take_rollout(self) -> tuple[Rollout, TransitionBatch]:
        """Takes what was recorded into the generator's samples and the episode figures."""
        rollout = self.venv_wrapped.pop()
        require_finite("observation", rollout.next_obs)
        require_finite("environment reward", rollout.rewards)
        batch = TransitionBatch.of(rollout.columns())
        self.gen_replay_buffer.store(batch)
        learned = self.reward_train.predict(*(x.numpy() for x in batch)).reshape(rollout.shape)
        values = {"length": np.ones(rollout.shape), "true": rollout.rewards, "learned": learned}
        for name, sums in self._sums.items():
            self._finished[name] += sums.add(values[name], rollout.ends)
        check_fixed_horizon(
            map(int, self._finished["length"]),
            allow_variable_horizon=self.allow_variable_horizon,
            what="the generator's episodes",
        )
        return rollout, batch

    def _logits(self, batch: TransitionBatch) -> th.Tensor:
        with th.no_grad():
            log_prob = self.log_prob(batch)
        return self.logits_expert_is_high(*self.reward_net.preprocess(*batch), log_prob)

    def _disc_samples(
        self, given: TransitionMapping | None, source: Any, name: str
    ) -> TransitionBatch:
        if given is None:
            return source.sample(self.demo_batch_size).to(self.reward_net.device)
        batch = TransitionBatch.of(given, self.reward_net.device)
        if len(batch) != self.demo_batch_size:
            raise InvalidValueError(
                f"{name} has {len(batch)} transitions; a batch is "
                f"demo_batch_size={self.demo_batch_size}.",
                "Give exactly as many.",
            )
        return batch

    def _record_disc(self, stats: dict[str, float], batch: TransitionBatch) -> None:
        for name, value in stats.items():
            self.logger.record_mean(f"disc/{name}", value)
            if self._summary is not None:
                self._summary.add_scalar(f"disc/{name}", value, self._disc_step)
        if self._summary is not None and self._graph_pending:
            self._summary.add_graph(self.reward_net, self.reward_net.preprocess(*batch))
            self._graph_pending = False
        self._disc_step += 1

    def _summarise_round(self, number: int, disc: dict[str, float], seconds: float) -> None:
        self.stats = {
            "round": float(number),
            "env_steps": float(self.gen_algo.num_timesteps),
            "steps_per_second": self.gen_train_timesteps / seconds,
            "true_return_mean": _mean(self._finished["true"]),
            "learned_return_mean": _mean(self._finished["learned"]),
            "reward_scale": self.reward_scale.scale,
            **disc,
        }
        self.logger.record("rollout/true_return_mean", self.stats["true_return_mean"])
        self.logger.record("rollout/learned_return_mean", self.stats["learned_return_mean"])
        self.logger.record("rollout/reward_scale", self.stats["reward_scale"])
        self.logger.record("time/steps_per_second", self.stats["steps_per_second"])
        self.logger.dump(step=self.gen_algo.num_timesteps)
        last_length = self._finished["length"][-1:]
        self._finished = {name: [] for name in self._finished}
        self._finished["length"] += last_length  # so that the next round is compared with it


def default_round_size(gen_algo: BaseAlgorithm, venv: VecEnv) -> int:
    """Environment steps of one round: a rollout on-policy, one step of each env off-policy."""
    if isinstance(gen_algo, OnPolicyAlgorithm):
        return venv.num_envs * gen_algo.n_steps
    assert isinstance(gen_algo, OffPolicyAlgorithm)
    return venv.num_envs


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _summary_writer(log_dir: str | Path, wanted: bool) -> SummaryWriter | None:
    return SummaryWriter(str(Path(log_dir) / "summary")) if wanted else None


def _formats(log_dir: str | Path, tensorboard: bool) -> list[Any]:
    return [TensorBoardOutputFormat(str(log_dir))] if tensorboard else []


def _check_shapes(batch: TransitionBatch, venv: VecEnv) -> None:
    pairs = (("obs", batch.obs, venv.observation_space), ("acts", batch.acts, venv.action_space))
    for name, values, space in pairs:
        if tuple(values.shape[1:]) != space.shape:
            raise InvalidValueError(
                f"the demonstrations' {name} have shape {tuple(values.shape[1:])}; the "
                f"environment's space is {space}.",
                "Give demonstrations of this environment.",
            )

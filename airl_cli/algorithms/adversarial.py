"""The adversarial game: a generator against a discriminator made of a reward net."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from airl_cli.algorithms.absorbing import AbsorbingEstimate, AbsorbingState, Ends, lag_of
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.checks import (
    check_ignores_actions,
    check_minibatch_size,
    check_shapes,
    check_spaces,
    check_updates,
    discount_of,
    n_uniform_actions,
)
from airl_cli.algorithms.discriminator import Discriminator, DiscriminatorSummaries
from airl_cli.algorithms.health import require_finite
from airl_cli.algorithms.inverse_model import UnknownActions
from airl_cli.algorithms.log_prob import check_valid, has_log_prob
from airl_cli.algorithms.past_policies import PastPolicies
from airl_cli.algorithms.regularization import GradientPenalties
from airl_cli.algorithms.rounds import RoundTrainer
from airl_cli.algorithms.samples import (
    ArraySampler,
    Demonstrations,
    DrawnSampler,
    GeneratorBuffer,
    Sampler,
    TransitionMapping,
    demonstration_sampler,
    lack_actions,
)
from airl_cli.algorithms.saving import save_trainer
from airl_cli.algorithms.schedule import Schedule
from airl_cli.algorithms.state import (
    State,
    fitting,
    load_module,
    load_optimizer_state,
    load_rng_state,
    optimizer_state,
    rng_state,
)
from airl_cli.errors import InvalidValueError
from airl_cli.limits import Count, CountOrZero, NonNegative, Smoothing
from airl_cli.rewards.base import RewardNet, unwrapped
from airl_cli.rewards.layers import evaluating

DEFAULT_BATCH_SIZE = 512
"""Expert samples per discriminator batch, where no number is given."""

_RANGE_SAMPLES = 8192  # of each side, for the range in which the reward was learned


class AdversarialTrainer(RoundTrainer):
    """Trains a generator and a discriminator against each other, round by round.

    A round (see `train`) is: the generator trains for `gen_train_timesteps` steps on the learned
    reward, then the discriminator is updated `n_disc_updates_per_round` times on expert and
    generator samples.

    Args:
        demonstrations: `Transitions`; an iterable of `Trajectory`; an iterable (a torch
            `DataLoader` too) of mappings with `obs`, `acts`, `next_obs`, `dones`; or None, to be
            given later by `set_demonstrations`.
        demo_batch_size: Expert samples per discriminator batch; the batch is twice this, with one
            generator sample for each. None: 512, in which transitions are repeated where fewer
            are demonstrated; a number needs at least as many.
        venv: Environment to train in.
        gen_algo: Stable-Baselines3 algorithm; its environment and logger are replaced.
        reward_net: From (s, a, s', done) to rewards; trained as part of the discriminator.
        demo_minibatch_size: Expert samples in memory at a time; gradients are accumulated over the
            minibatches of a batch. None: the whole batch. Must divide `demo_batch_size`.
        n_disc_updates_per_round: Discriminator updates after the generator's training.
        log_dir: Where `init_tensorboard` writes.
        disc_opt_cls: Optimiser of the discriminator.
        disc_opt_kwargs: For the optimiser.
        gen_train_timesteps: Environment steps per round. None: `n_envs * n_steps` on-policy,
            `n_envs` off-policy.
        gen_replay_buffer_capacity: Generator samples kept for the discriminator. None: those of
            the newest round, and of off-policy generators, whose rounds may be a few steps, a
            batch at least.
        gen_replay_reservoir: Keep a uniform sample of all the generator ever did instead of the
            newest: the discriminator answers the average of all policies (fictitious play, Brown
            1951), which dampens oscillation around the equilibrium.
        custom_logger: Where to record; None: a table on stdout after every round.
        init_tensorboard: Write a TensorBoard summary of every discriminator update.
        init_tensorboard_graph: With `init_tensorboard`: write the reward net's graph, too.
        debug_use_ground_truth: Train the generator on the environment's own reward, to see
            whether policy training works at all.
        allow_variable_horizon: Accept episodes of different length. They leak information about
            the reward (Kostrikov et al. 2019), so they are an error otherwise.
        n_disc_updates_before_pricing: Discriminator updates on each complete rollout before it is
            relabelled, as in Fu, Luo & Levine 2018, algorithm 1. With off-policy generators, whose
            rewards are relabelled when drawn, they come with those of `n_disc_updates_per_round`.
        normalize_gen_reward: Divide the generator's whole reward by the running standard deviation
            of its discounted return. On-policy generators only.
        base_opt_kwargs: Optimiser settings of the base reward alone (`weight_decay`, `lr`, ...),
            so that what only the generator visits is attributed to the potential.
        base_gradient_penalty: Weight of the squared gradient of the base reward in the loss.
        base_box_penalty: Weight of the same at random places in the range of the samples.
        r1_penalty: Weight of the squared gradient of the whole net on the expert's samples
            (Mescheder, Geiger & Nowozin 2018).
        gradient_penalty: Weight of the squared distance of the whole net's gradient from norm 1,
            between the expert's and the generator's samples (Gulrajani et al. 2017).
        label_smoothing: The expert's label is 1 minus this (one-sided; Salimans et al. 2016,
            section 3.4): the logit stays bounded where only the expert ever is. It shifts what
            the reward converges to.
        disc_lr_schedule: Factor of the discriminator's learning rates, of the share of the training
            that remains. Falling rates (Robbins & Monro 1951) let the two players converge where
            they would oscillate. None: 1.
        absorbing: Episodes may end early in terminal states: count the absorbing state's reward in
            (`airl_cli.algorithms.absorbing`). Only truncated episodes must then be of one length.
        n_past_policies: Policies whose mean density stands for that of the generator's samples
            (`airl_cli.algorithms.past_policies`). None: 4; off-policy 1, unless
            `gen_replay_buffer_capacity` is given.
        rng: Source of the sampling; None: seeded from torch's generator.

    Attributes:
        reward_net: As given, on the generator's device.
        discriminator: Trains it.
        n_disc_updates: Updates of the discriminator so far.
        past_policies: Those that made the generator's samples.

    Raises:
        InvalidValueError: `demo_minibatch_size` does not divide, fewer demonstrations than a
            batch, demonstrations that do not fit the spaces, and the like (a `ValueError`).
        InvalidTypeError: Unusable kinds of generator, space or demonstrations (a `TypeError`).
    """

    def __init__(
        self,
        *,
        demonstrations: Demonstrations | None,
        demo_batch_size: Count | None,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        reward_net: RewardNet,
        demo_minibatch_size: Count | None = None,
        n_disc_updates_per_round: CountOrZero = 2,
        log_dir: str | Path = "output/",
        disc_opt_cls: type[th.optim.Optimizer] = th.optim.Adam,
        disc_opt_kwargs: Mapping[str, Any] | None = None,
        gen_train_timesteps: Count | None = None,
        gen_replay_buffer_capacity: Count | None = None,
        gen_replay_reservoir: bool = False,
        custom_logger: Logger | None = None,
        init_tensorboard: bool = False,
        init_tensorboard_graph: bool = False,
        debug_use_ground_truth: bool = False,
        allow_variable_horizon: bool = False,
        n_disc_updates_before_pricing: CountOrZero = 0,
        normalize_gen_reward: bool = False,
        base_opt_kwargs: Mapping[str, Any] | None = None,
        base_gradient_penalty: NonNegative = 0.0,
        base_box_penalty: NonNegative = 0.0,
        r1_penalty: NonNegative = 0.0,
        gradient_penalty: NonNegative = 0.0,
        label_smoothing: Smoothing = 0.0,
        disc_lr_schedule: Schedule | None = None,
        absorbing: bool = False,
        n_past_policies: Count | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._repeats_demonstrations = demo_batch_size is None
        self.demo_batch_size = DEFAULT_BATCH_SIZE if demo_batch_size is None else demo_batch_size
        self.demo_minibatch_size = check_minibatch_size(self.demo_batch_size, demo_minibatch_size)
        check_spaces(venv, reward_net)
        check_updates(n_disc_updates_per_round, n_disc_updates_before_pricing, gen_algo)
        self.n_disc_updates_per_round = n_disc_updates_per_round
        self.n_disc_updates_before_pricing = n_disc_updates_before_pricing
        self.rng = rng or np.random.default_rng(int(th.randint(2**31, ())))
        self.reward_net = reward_net.to(gen_algo.device)
        self._unknown_actions: UnknownActions | None = None  # of demonstrations without actions
        super().__init__(
            venv=venv,
            gen_algo=gen_algo,
            log_dir=log_dir,
            gen_train_timesteps=gen_train_timesteps,
            custom_logger=custom_logger,
            use_env_reward=debug_use_ground_truth,
            allow_variable_horizon=allow_variable_horizon,
            normalize_gen_reward=normalize_gen_reward,
            absorbing=absorbing,
        )
        self.set_demonstrations(demonstrations)
        self.discriminator = Discriminator(
            self.reward_net,
            self._logits,
            minibatch_size=self.demo_minibatch_size,
            penalties=GradientPenalties(
                base=base_gradient_penalty,
                box=base_box_penalty,
                r1=r1_penalty,
                interpolated=gradient_penalty,
                rng=self.rng,
            ),
            opt_cls=disc_opt_cls,
            opt_kwargs=disc_opt_kwargs,
            base_opt_kwargs=base_opt_kwargs,
            lr_schedule=disc_lr_schedule,
            label_smoothing=label_smoothing,
        )
        capacity = gen_replay_buffer_capacity
        if capacity is None:
            capacity = self._samples_of_a_round
        self.gen_replay_buffer = GeneratorBuffer(capacity, self.rng, reservoir=gen_replay_reservoir)
        if n_past_policies is None:
            keeps_more = gen_replay_buffer_capacity is not None
            n_past_policies = 4 if self.is_on_policy or keeps_more else 1
        self.past_policies = PastPolicies(
            self.policy,
            capacity,
            self.rng,
            reservoir=gen_replay_reservoir,
            limit=n_past_policies,
        )
        self._absorbing_estimate = AbsorbingEstimate()
        self._scored: tuple[TransitionBatch, th.Tensor | None] | None = None
        self.n_disc_updates = 0
        self._disc_stats: dict[str, float] = {}  # of the newest update
        self._summaries = (
            DiscriminatorSummaries(log_dir, graph=init_tensorboard_graph)
            if init_tensorboard
            else None
        )

    # -- a round, in the order of algorithm 1 (Fu, Luo & Levine 2018) --------------------------

    def after_rollout(self) -> None:
        """The generator has collected a rollout (line 3); SB3 then updates the policy (line 6)."""
        rollout, batch = self.collect()
        self.keep_samples(batch)
        if self.is_on_policy:
            self._update_discriminator(self.n_disc_updates_before_pricing)  # line 4
        self._measure_lag(batch)
        self.relabel(rollout, batch)  # line 5

    def keep_samples(self, batch: TransitionBatch) -> None:
        """Stores a rollout's transitions for the discriminator, and who made them."""
        self.gen_replay_buffer.store(batch)
        if self.uses_log_prob:
            n_uniform = n_uniform_actions(self.gen_algo, len(batch))
            self.past_policies.record(n_uniform, uniform=True)
            self.past_policies.record(len(batch) - n_uniform)
        if self._unknown_actions is not None:
            self._unknown_actions.fit(self.gen_replay_buffer)
        if self.absorbing:
            ends = self._demonstrations.ends(), self.gen_replay_buffer.ends()
            self._absorbing_estimate.count(*ends, discount_of(self.gen_algo))

    @property
    def absorbing_state(self) -> AbsorbingState:
        """What the absorbing state is worth now."""
        return self._absorbing_estimate.state

    def _measure_lag(self, batch: TransitionBatch) -> None:
        """How far the discriminator is ahead of the generator, where episodes can end."""
        if self._absorbing_estimate.lag is not None:
            with th.no_grad(), evaluating(self.reward_net):
                logits = self._newest_logits(batch.to(self.reward_net.device))
            self._absorbing_estimate.lag = lag_of(logits)

    def _newest_logits(self, batch: TransitionBatch) -> th.Tensor:
        """The logits (n,) of the newest rollout."""
        return self._logits(batch)

    def end_round(self) -> Mapping[str, float]:
        """Further discriminator updates, when the policy is updated.

        Off-policy ones all come here: their rewards are relabelled at every later draw.
        """
        before = 0 if self.is_on_policy else self.n_disc_updates_before_pricing
        self._update_discriminator(before + self.n_disc_updates_per_round)
        # The next loss would show it only after these weights were copied as good ones.
        require_finite("discriminator weight", self.reward_net)
        figures = dict(self._disc_stats)
        if self.absorbing:
            figures["absorbing_logit"] = self.absorbing_state.c
        if self._unknown_actions is not None:
            figures |= self._unknown_actions.figures
        return figures

    def _update_discriminator(self, n_updates: int) -> None:
        for _ in range(n_updates):
            self.train_disc()

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
            gen_samples: As many of the generator's; None draws from those that are kept.

        Returns:
            Loss, accuracies, entropy and sample numbers, see `compute_train_stats`.

        Raises:
            InvalidValueError: A wrong number of samples.
            RuntimeError: No generator samples yet.
            NonFiniteError: The loss is NaN or infinite; no step was taken.
        """
        expert = self._disc_samples(expert_samples, self._demonstrations, "expert_samples")
        generated = self._disc_samples(gen_samples, self.gen_replay_buffer, "gen_samples")
        self._disc_stats = self.discriminator.update(expert, generated, self.remaining)
        self.n_disc_updates += 1
        self._record(self._disc_stats, expert)
        return self._disc_stats

    learns_reward: ClassVar[bool] = True
    """Whether it takes a `reward_net`."""

    uses_log_prob: ClassVar[bool] = True
    """Whether `logits_expert_is_high` is given log-probabilities of actions."""

    def save(self, path: str | Path) -> None:
        """Saves what was learned, policy and reward, for `load_run` and `load_reward`.

        Args:
            path: A folder that does not exist yet.

        Raises:
            InvalidValueError: Something is there already; or reward net, policy or one of their
                arguments is a class or function of another package, or a net that was composed
                by hand.
        """
        save_trainer(self, path)

    # -- where the algorithms differ ---------------------------------------------------------

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

    @classmethod
    def rewards_of(cls, net: RewardNet) -> tuple[RewardNet, RewardNet]:
        """`reward_train` and `reward_test` of a trainer with this reward net."""
        return net, unwrapped(net)

    def sample_log_prob(self, batch: TransitionBatch) -> th.Tensor | None:
        """Log pi(a|s) (batch,) of the current policy, for `logits_expert_is_high`.

        None where the algorithm does not need it, or the policy cannot give it.
        """
        if not self.uses_log_prob or not has_log_prob(self.policy):
            return None
        return self.policy_log_prob(batch)

    # -- the generator's reward ----------------------------------------------------------------

    def learned_facts(self) -> dict[str, Any]:
        """What belongs to the learned reward besides its weights: absorbing state and range."""
        return {
            "absorbing_logit": self.absorbing_state.c,
            "reward_range": self.reward_range(),
        }

    def reward_range(self) -> tuple[float, float] | None:
        """Between which values `reward_test` was learned; beyond them it is an extrapolation.

        On demonstrations and kept generator samples, as many of each: the 99 % quantile above, and
        below the 1 % quantile less three times the distance of the two, so that bad states can
        still be told from worse ones. None before training.
        """
        if not len(self.gen_replay_buffer):
            return None
        known = [self.gen_replay_buffer.some(_RANGE_SAMPLES)]
        if isinstance(self._demonstrations, ArraySampler):
            known.append(self._demonstrations.some(_RANGE_SAMPLES))
        rewards = [self.reward_test.predict(*batch.arrays()) for batch in known]
        low, high = np.quantile(np.concatenate(rewards).astype(float), (0.01, 0.99))
        return float(low - 3 * (high - low)), float(high)

    def learned_reward(self, batch: TransitionBatch, env_rewards: np.ndarray) -> np.ndarray:
        """`reward_train` as it is (n,).

        Args:
            batch: Transitions (n).
            env_rewards: Unused.
        """
        del env_rewards
        return self.reward_train.predict(*batch.arrays())

    def replay_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """`reward_train` as its wrappers process it, relative to the absorbing state's (n,)."""
        if self.reward_train.is_processed:
            rewards = self.reward_train.predict_processed(*batch.arrays())
        else:
            rewards = super().replay_reward(batch, env_rewards, learned)
        return rewards - np.float32(self.absorbing_state.c)

    # -- the discriminator ---------------------------------------------------------------------

    @property
    def _reward_net(self) -> RewardNet:
        """`reward_net`, for subclasses that were written for imitation."""
        return self.reward_net

    @property
    def disc_opt(self) -> th.optim.Optimizer:
        """The discriminator's optimiser."""
        return self.discriminator.optimizer

    def set_demonstrations(self, demonstrations: Demonstrations | None) -> None:
        """Replaces the demonstrations; accepts what the constructor accepts."""
        at_least = 1 if self._repeats_demonstrations else self.demo_batch_size
        sampler = demonstration_sampler(demonstrations, at_least, self.rng, self.gen_algo.device)
        if isinstance(sampler, ArraySampler):
            check_shapes(sampler.transitions, self.venv)
            if self.uses_log_prob and not lack_actions(sampler):
                check_valid(self.policy, sampler.transitions.obs, sampler.transitions.acts)
        if lack_actions(sampler):
            check_ignores_actions(self.reward_net)
            self._unknown_actions = self._unknown_actions or UnknownActions(
                self.venv, infer=self.uses_log_prob, rng=self.rng, device=self.reward_net.device
            )
        self._demonstrations = sampler

    def state_dict(self) -> State:
        """As `RoundTrainer.state_dict`, with the discriminator's part."""
        return {
            **super().state_dict(),
            "reward_net": self.reward_net.state_dict(),
            "discriminator": {
                "optimizer": optimizer_state(self.disc_opt),
                "samples": self.gen_replay_buffer.state_dict(),
                "rng": rng_state(self.rng),
                "n_updates": self.n_disc_updates,
                "past_policies": self.past_policies.state_dict(),
                "absorbing_state": self._absorbing_estimate.state_dict(),
                "drawn": list(self._demonstrations.ends()),
                "unknown_actions": self._unknown_actions and self._unknown_actions.state_dict(),
                "n_summaries": 0 if self._summaries is None else self._summaries.step,
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """As `RoundTrainer.load_state_dict`; demonstrations that come as a stream start anew."""
        with fitting("discriminator"):
            mine = state["discriminator"]
            load_module(self.reward_net, state["reward_net"])
            load_optimizer_state(self.disc_opt, mine["optimizer"])
            self.gen_replay_buffer.load_state_dict(mine["samples"])
            load_rng_state(self.rng, mine["rng"])
            self.n_disc_updates = int(mine["n_updates"])
            if "past_policies" in mine:  # not in checkpoints of 0.1
                self.past_policies.load_state_dict(mine["past_policies"])
                self._absorbing_estimate.load_state_dict(mine["absorbing_state"])
                if isinstance(self._demonstrations, DrawnSampler):
                    self._demonstrations.drawn = Ends(*map(float, mine["drawn"]))
            if self._unknown_actions is not None:
                self._unknown_actions.load_state_dict(mine["unknown_actions"])
            if self._summaries is not None:
                self._summaries.step = int(mine["n_summaries"])
        return super().load_state_dict(state)

    @property
    def trained_modules(self) -> Mapping[str, nn.Module]:
        """Everything whose weights a round changes."""
        return {**super().trained_modules, "reward_net": self.reward_net}

    @property
    def _samples_of_a_round(self) -> int:
        """Off-policy rounds may be a few steps: a batch at least."""
        if self.is_on_policy:
            return self.gen_train_timesteps
        return max(self.gen_train_timesteps, self.demo_batch_size)

    def _logits(self, batch: TransitionBatch) -> th.Tensor:
        # An ensemble asks for the logits of a batch once for each member.
        if self._scored is None or self._scored[0] is not batch:
            self._scored = batch, self.sample_log_prob(batch)
        log_prob = self._scored[1]
        return self.logits_expert_is_high(*self.reward_net.preprocess(*batch), log_prob)

    def _disc_samples(
        self, given: TransitionMapping | None, source: Sampler, name: str
    ) -> TransitionBatch:
        if given is None:
            batch = source.sample(self.demo_batch_size).to(self.reward_net.device)
            return batch if self._unknown_actions is None else self._unknown_actions.fill(batch)
        batch = TransitionBatch.of(given, self.reward_net.device)
        if len(batch) != self.demo_batch_size:
            raise InvalidValueError(
                f"{name} has {len(batch)} transitions; a batch is "
                f"demo_batch_size={self.demo_batch_size}.",
                "Give exactly as many.",
            )
        return batch

    def _record(self, stats: Mapping[str, float], batch: TransitionBatch) -> None:
        for name, value in stats.items():
            self.logger.record_mean(f"disc/{name}", value)
        if self._summaries is not None:
            self._summaries.write(stats, self.reward_net, batch)

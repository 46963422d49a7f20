"""Training in rounds: what every trainer here shares, whatever its generator is paid."""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.generator import Generator, check_generator
from airl_cli.algorithms.generator_state import generator_state, load_generator_state
from airl_cli.algorithms.health import Snapshot
from airl_cli.algorithms.recording import EpisodeSums, RecordingVecEnv, Rollout
from airl_cli.algorithms.scaling import RewardScale
from airl_cli.algorithms.schedule import overall_progress
from airl_cli.algorithms.state import State, array, fitting, load_module
from airl_cli.envs.check import check_fixed_horizon
from airl_cli.errors import InvalidValueError, NonFiniteError


class RoundTrainer(abc.ABC):
    """Trains a generator on a reward, round by round.

    Args:
        venv: Environment to train in.
        gen_algo: Stable-Baselines3 algorithm; its environment and logger are replaced.
        log_dir: Folder of the logger that is made when none is given; that one keeps silent.
        gen_train_timesteps: Environment steps per round. None: `n_envs * n_steps` on-policy,
            `n_envs` off-policy.
        custom_logger: Where to record; None: nowhere.
        use_env_reward: Train on the environment's own reward.
        allow_variable_horizon: Accept episodes of different length.
        normalize_gen_reward: Divide on-policy rewards by their running standard deviation.

    Attributes:
        stats: Figures of the newest round, see `train`.
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
    ) -> None:
        check_generator(gen_algo)
        self.venv = venv
        self.gen_algo = gen_algo
        self.allow_variable_horizon = allow_variable_horizon
        self.generator = Generator(
            gen_algo,
            venv,
            rollout_reward=self._rollout_reward,
            reward=self.generator_reward,
            replay_reward=self.replay_reward,
            observe=self._observe,
            observe_unpriced=self._learned_reward_of,
            before_pricing=self._before_pricing,
            scale=RewardScale(normalize_gen_reward),
            use_env_reward=use_env_reward,
        )
        self.gen_train_timesteps = gen_train_timesteps or self.generator.round_size
        self.stats: dict[str, float] = {}
        self._sums = {name: EpisodeSums(venv.num_envs) for name in ("length", "true", "learned")}
        self._finished: dict[str, list[float]] = {name: [] for name in self._sums}
        self._started_at = 0  # the algorithm's timesteps when round 0 began
        self._logger = custom_logger or Logger(str(log_dir), [])
        gen_algo.set_logger(self._logger)

    # -- what the trainers differ in -----------------------------------------------------------

    @abc.abstractmethod
    def learned_reward(self, batch: TransitionBatch, env_rewards: np.ndarray) -> np.ndarray:
        """The reward itself, without what a generator is paid beside it.

        Args:
            batch: Transitions (n).
            env_rewards: What the environment paid for them (n,).

        Returns:
            Rewards (n,).
        """

    @property
    def entropy_weight(self) -> float:
        """Weight w of `- w log pi(a|s)` in what on-policy generators are paid."""
        return 0.0

    def _training_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """The `learned_reward` as generators are trained on it (n,), without entropy.

        `learned` is that reward, if it is known already.
        """
        return self.learned_reward(batch, env_rewards) if learned is None else learned

    @property
    def trained_modules(self) -> Mapping[str, nn.Module]:
        """Everything whose weights a round changes."""
        return {"generator": self.policy}

    def _after_generator(self) -> Mapping[str, float]:
        """What a round does when the generator is trained; gives figures for `stats`."""
        return {}

    def _before_pricing(self) -> None:  # noqa: B027 - a hook, not a duty
        """What happens when an on-policy rollout is complete and not yet paid."""

    # -- what a generator is paid --------------------------------------------------------------

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
            env_rewards: What the environment paid for them (n,).
            learned: Their `learned_reward` (n,), if it is known already.
        """
        rewards = self._training_reward(batch, env_rewards, learned)
        weight = float(self.entropy_weight)
        if weight == 0.0:
            return rewards
        return rewards - weight * self.generator.log_prob(batch).cpu().numpy()

    def replay_reward(self, batch: TransitionBatch, env_rewards: np.ndarray) -> np.ndarray:
        """What an off-policy generator is paid for replayed transitions (n,).

        Without `- log pi`: such algorithms bring an entropy term of their own. Arguments as above.
        """
        return self._training_reward(batch, env_rewards)

    # -- members that users know ---------------------------------------------------------------

    @property
    def policy(self) -> BasePolicy:
        """The policy in training."""
        return self.gen_algo.policy

    @property
    def venv_wrapped(self) -> RecordingVecEnv:
        """`venv`, recorded."""
        return self.generator.venv_wrapped

    @property
    def venv_train(self) -> VecEnv:
        """`venv` with the reward that the generator is trained on."""
        return self.generator.venv_train

    @property
    def logger(self) -> Logger:
        """Where everything is recorded, shared with the generator."""
        return self._logger

    @logger.setter
    def logger(self, logger: Logger) -> None:
        self._logger = logger
        self.gen_algo.set_logger(logger)

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
            total_timesteps: Environment steps in all; stops before a round would pass it.
            callback: Called with 0, 1, ... after each round.
            completed_rounds: How many of the rounds the trainer has behind it (`load_state_dict`):
                numbers and schedules go on from there.

        Raises:
            InvalidValueError: Not enough steps for one round.
            NonFiniteError: NaN or infinity in a loss, a reward or a weight; all nets then hold
                the weights from before that round.
        """
        n_rounds = total_timesteps // self.gen_train_timesteps
        if n_rounds < 1:
            raise InvalidValueError(
                f"total_timesteps={total_timesteps} is not enough for one round of "
                f"{self.gen_train_timesteps} steps.",
                f"Set trainer.total_timesteps to at least {self.gen_train_timesteps}.",
            )
        if completed_rounds == 0:
            self._started_at = self.gen_algo.num_timesteps
        steps = n_rounds * self.gen_train_timesteps
        with overall_progress(self.gen_algo, steps, self._started_at):
            for number in range(completed_rounds, n_rounds):
                self._train_round(number)
                if callback is not None:
                    callback(number)

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
        steps = self.gen_train_timesteps if total_timesteps is None else total_timesteps
        self.generator.learn(steps, learn_kwargs)

    def state_dict(self) -> State:
        """Everything the next round depends on, but the process's random generators.

        Taken between rounds; see `airl_cli.algorithms.state` for what a state is made of.
        """
        return {
            "policy": self.policy.state_dict(),
            "generator": generator_state(self.generator),
            "episode_sums": {name: sums.state_dict() for name, sums in self._sums.items()},
            "finished": {name: np.array(values) for name, values in self._finished.items()},
            "started_at": self._started_at,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Puts a state back, for `train(..., completed_rounds=...)`.

        Returns:
            Whether the open episodes go on where they were: what follows is then the same to the
            bit. False: these environments cannot be brought back, and new episodes begin.

        Raises:
            InvalidValueError: The state is of a trainer with other settings; this one is then
                half changed.
        """
        with fitting("generator"):
            load_module(self.policy, state["policy"])
            continued = load_generator_state(self.generator, state["generator"])
            for name, sums in self._sums.items():
                if continued:
                    sums.load_state_dict(state["episode_sums"][name])
                else:
                    self._sums[name] = EpisodeSums(self.venv.num_envs)
                self._finished[name] = array(state["finished"][name]).tolist()
            self._started_at = int(state["started_at"])
        return continued

    def _train_round(self, number: int) -> None:
        started = time.perf_counter()
        last_good = Snapshot(**self.trained_modules)
        try:
            self.train_gen(self.gen_train_timesteps)
            more = self._after_generator()
        except NonFiniteError as error:
            last_good.restore()
            error.add_round(number)
            raise
        self._summarise(number, more, time.perf_counter() - started)

    def _observe(self, rollout: Rollout, batch: TransitionBatch) -> None:
        """Counts the episodes of a rollout (steps, n_envs), given as transitions too."""
        del batch
        self._count("length", np.ones(rollout.shape), rollout)
        self._count("true", rollout.rewards, rollout)
        check_fixed_horizon(
            self._finished["length"],
            allow_variable_horizon=self.allow_variable_horizon,
            what="the generator's episodes",
        )

    def _rollout_reward(self, rollout: Rollout, batch: TransitionBatch) -> np.ndarray:
        learned = self._learned_reward_of(rollout, batch)
        return self.generator_reward(batch, rollout.rewards.ravel(), learned)

    def _learned_reward_of(self, rollout: Rollout, batch: TransitionBatch) -> np.ndarray:
        """`learned_reward` (n,), which is counted for `stats`."""
        learned = self.learned_reward(batch, rollout.rewards.ravel())
        self._count("learned", learned.reshape(rollout.shape), rollout)
        return learned

    def _count(self, name: str, values: np.ndarray, rollout: Rollout) -> None:
        self._finished[name] += self._sums[name].add(values, rollout.ends)

    def _summarise(self, number: int, more: Mapping[str, float], seconds: float) -> None:
        rollout_stats = {
            "true_return_mean": _mean(self._finished["true"]),
            "learned_return_mean": _mean(self._finished["learned"]),
            "reward_scale": self.generator.scale.scale,
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
        last_length = self._finished["length"][-1:]
        self._finished = {name: [] for name in self._finished}
        self._finished["length"] += last_length  # so that the next round is compared with it


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan

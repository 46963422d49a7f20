"""Training a new policy on a fixed reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.checks import check_spaces
from airl_cli.algorithms.log_prob import check_has_log_prob
from airl_cli.algorithms.rounds import RoundTrainer
from airl_cli.algorithms.schedule import Schedule
from airl_cli.rewards.base import RewardNet


class RewardTrainer(RoundTrainer):
    """Maximises `E[sum_t r(s, a, s') - tau log pi(a|s)]` for a given reward.

    A reward that AIRL recovered makes the demonstrations optimal *with* entropy at the
    temperature of its training, 1 (Fu, Luo & Levine 2018, section 4 and appendix A), so a policy
    that is trained on it again should start from that objective. Annealing tau then leaves what
    the reward alone asks for. The log-probability is that of the action that reaches the
    environment (`airl_cli.algorithms.log_prob`).

    Args:
        venv: Environment to train in.
        gen_algo: Stable-Baselines3 algorithm. The entropy coefficient of off-policy ones (SAC) is
            set to the temperature, unless that is 0.
        reward_net: The reward, not trained here. None: the environment's own.
        temperature: tau: a number, or a schedule over the share of training that remains.
        absorbing_logit: What the absorbing state after a terminal one is worth under this reward
            (`airl_cli.algorithms.absorbing`), as the run that learned it recorded it.
        **kwargs: For `RoundTrainer`.

    Raises:
        InvalidTypeError: A temperature with a generator that cannot give log-probabilities.
        InvalidValueError: A reward net for other spaces.
    """

    def __init__(
        self,
        *,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        reward_net: RewardNet | None,
        temperature: float | Schedule = 0.0,
        absorbing_logit: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if temperature != 0.0:
            check_has_log_prob(gen_algo)
        if reward_net is not None:
            check_spaces(venv, reward_net)
            reward_net = reward_net.to(gen_algo.device)
        self._given = reward_net
        self._absorbing_logit = absorbing_logit
        self._temperature = temperature
        super().__init__(venv=venv, gen_algo=gen_algo, **kwargs)

    @property
    def reward_net(self) -> RewardNet:
        """The given reward.

        Raises:
            AttributeError: The environment's own is used.
        """
        if self._given is None:
            raise AttributeError("there is no reward net: the environment's own reward is used")
        return self._given

    @property
    def reward_test(self) -> RewardNet:
        """The same, under the name that it has in an `AdversarialTrainer`."""
        return self.reward_net

    @property
    def temperature(self) -> float:
        """Tau now."""
        if callable(self._temperature):
            return self._temperature(self.remaining)
        return self._temperature

    def learned_reward(self, batch: TransitionBatch, env_rewards: np.ndarray) -> np.ndarray:
        """The given reward of transitions (n,); the environment's where there is none."""
        if self._given is None:
            return env_rewards
        return self._given.predict(*batch.arrays())

    def replay_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """The reward, relative to that of the absorbing state (n,)."""
        rewards = super().replay_reward(batch, env_rewards, learned)
        return rewards - np.float32(self._absorbing_logit)

    @property
    def entropy_weight(self) -> float:
        """`temperature`."""
        return self.temperature

    def end_round(self) -> Mapping[str, float]:
        """The temperature, as a figure."""
        return {"temperature": self.temperature}

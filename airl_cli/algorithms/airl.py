"""Adversarial inverse reinforcement learning (Fu, Luo & Levine 2018, arXiv 1710.11248)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.log_prob import check_has_log_prob
from airl_cli.algorithms.samples import Demonstrations
from airl_cli.errors import InvalidValueError
from airl_cli.limits import Count, NonNegative
from airl_cli.rewards.base import RewardNet, unwrapped
from airl_cli.rewards.wrappers import output_normalization


class AIRL(AdversarialTrainer):
    """Learns a reward `f` and a policy from demonstrations.

    The discriminator is `D = exp(f) / (exp(f) + pi(a|s))`, so its logit is `f - log pi` (section
    4), and that logit is what the generator maximises (algorithm 1, line 6; appendix A.3).

    Args:
        demonstrations: Of the expert, see `AdversarialTrainer`.
        demo_batch_size: Expert samples per discriminator batch; None: see `AdversarialTrainer`.
        venv: Environment to train in.
        gen_algo: An algorithm whose policy gives log-probabilities of single actions.
        reward_net: `f`; a `ShapedRewardNet` lets `g` be taken out afterwards (`reward_test`).
        log_prob_weight: Weight w of `- w log pi` in the generator's reward. 1 is the paper's
            objective, 0 the plain learned reward. Off-policy generators (SAC, TQC, CrossQ) have
            this term of their own: their entropy coefficient is set to w, unless w is 0.
        **kwargs: For `AdversarialTrainer`.

    Raises:
        InvalidTypeError: A `TypeError`: the generator's policy cannot give log-probabilities.
        InvalidValueError: A `NormalizedRewardNet` for an off-policy generator: its entropy
            coefficient belongs to the scale of f.
    """

    def __init__(
        self,
        *,
        demonstrations: Demonstrations | None,
        demo_batch_size: Count | None,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        reward_net: RewardNet,
        log_prob_weight: NonNegative = 1.0,
        **kwargs: Any,
    ) -> None:
        check_has_log_prob(gen_algo)
        check_normalization(gen_algo, reward_net, log_prob_weight)
        self.log_prob_weight = log_prob_weight
        super().__init__(
            demonstrations=demonstrations,
            demo_batch_size=demo_batch_size,
            venv=venv,
            gen_algo=gen_algo,
            reward_net=reward_net,
            **kwargs,
        )

    def logits_expert_is_high(
        self,
        state: th.Tensor,
        action: th.Tensor,
        next_state: th.Tensor,
        done: th.Tensor,
        log_policy_act_prob: th.Tensor | None = None,
    ) -> th.Tensor:
        """`f(s, a, s') - log pi(a|s)` (batch,): high means expert.

        Args:
            state: Preprocessed observations (batch, ...).
            action: Preprocessed actions (batch, ...).
            next_state: Preprocessed observations after the actions.
            done: 1.0 where `next_state` is terminal (batch,).
            log_policy_act_prob: log mu(a|s) of the generator's samples (batch,).

        Raises:
            TypeError: `log_policy_act_prob` is None.
        """
        if log_policy_act_prob is None:
            raise TypeError("AIRL's discriminator needs log_policy_act_prob; it was None")
        return self.reward_net(state, action, next_state, done) - log_policy_act_prob

    def sample_log_prob(self, batch: TransitionBatch) -> th.Tensor:
        """Log mu(a|s) (batch,): the density of the policies that made the generator's samples."""
        batch = batch.to(self.gen_algo.device)
        return self.past_policies.log_prob(batch.obs, batch.acts)

    def _newest_logits(self, batch: TransitionBatch) -> th.Tensor:
        """`f - w log pi` (n,) of the policy that made the rollout: the generator's reward."""
        learned = self.reward_net(*self.reward_net.preprocess(*batch))
        if self.entropy_weight == 0:
            return learned
        return learned - self.entropy_weight * self.policy_log_prob(batch).to(learned.device)

    def generator_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """`f - c - w log pi` (n,), divided as a whole where the reward net is normalised.

        Beside `w log pi`, the scale of f is not free, and beside the absorbing state's c its zero
        is not: a `NormalizedRewardNet` therefore scales the sum, and its mean stays.
        """
        constant = self.absorbing_state.c
        if self.entropy_weight == constant == 0:
            return super().generator_reward(batch, env_rewards, learned)
        normalization = output_normalization(self.reward_train)
        if normalization is None:
            return super().generator_reward(batch, env_rewards, learned)
        shift, scale = normalization
        normalized = self.reward_train.predict_processed(*batch.arrays())
        rest = shift - constant - self.entropy_weight * self.policy_log_prob(batch).cpu().numpy()
        return normalized + (rest / scale).astype(np.float32)

    @property
    def entropy_weight(self) -> float:
        """`log_prob_weight`: with 1, the reward of on-policy generators is the logit."""
        return self.log_prob_weight

    @property
    def reward_train(self) -> RewardNet:
        """`f`, shaping included."""
        return self.reward_net

    @property
    def reward_test(self) -> RewardNet:
        """`g`, the unshaped base net: the reward to use again, under other dynamics too."""
        return unwrapped(self.reward_net)


def check_normalization(
    algorithm: BaseAlgorithm, reward_net: RewardNet, log_prob_weight: float
) -> None:
    """Refuses normalised rewards beside an entropy term that cannot be scaled with them.

    Raises:
        InvalidValueError: Says how to normalise instead.
    """
    if log_prob_weight == 0 or output_normalization(reward_net) is None:
        return
    if isinstance(algorithm, OnPolicyAlgorithm):
        return
    raise InvalidValueError(
        f"a NormalizedRewardNet changes the task of {type(algorithm).__name__}, whose entropy "
        "coefficient belongs to the scale of the reward as it is.",
        "Give the reward net without it, or log_prob_weight=0.",
    )

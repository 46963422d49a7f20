"""Generative adversarial imitation learning (Ho & Ermon 2016, arXiv 1606.03476)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
import torch.nn.functional as F
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.adversarial import AdversarialTrainer
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.samples import Demonstrations
from airl_cli.limits import Count
from airl_cli.rewards.base import RewardNet, RewardNetWrapper


class RewardFromDiscriminator(RewardNetWrapper):
    """`-log(1 - D(s, a))` of a net whose output is D's logit that it is the expert's.

    Args:
        base: The discriminator's net.
    """

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Rewards (batch,), all positive: Ho & Ermon 2016, algorithm 1, with expert as 1."""
        return F.softplus(self.base(state, action, next_state, done))


class GAIL(AdversarialTrainer):
    """Imitates demonstrations; what it learns is a policy, not a reward to use again.

    Args:
        demonstrations: Of the expert, see `AdversarialTrainer`.
        demo_batch_size: Expert samples per discriminator batch; None: see `AdversarialTrainer`.
        venv: Environment to train in.
        gen_algo: Any Stable-Baselines3 algorithm with a rollout or replay buffer.
        reward_net: Its output is the discriminator's logit.
        **kwargs: For `AdversarialTrainer`.
    """

    def __init__(
        self,
        *,
        demonstrations: Demonstrations | None,
        demo_batch_size: Count | None,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        reward_net: RewardNet,
        **kwargs: Any,
    ) -> None:
        self._reward_train = RewardFromDiscriminator(reward_net).to(gen_algo.device)
        super().__init__(
            demonstrations=demonstrations,
            demo_batch_size=demo_batch_size,
            venv=venv,
            gen_algo=gen_algo,
            reward_net=reward_net,
            **kwargs,
        )

    uses_log_prob = False

    def logits_expert_is_high(
        self,
        state: th.Tensor,
        action: th.Tensor,
        next_state: th.Tensor,
        done: th.Tensor,
        log_policy_act_prob: th.Tensor | None = None,
    ) -> th.Tensor:
        """The reward net's output (batch,): high means expert.

        Args:
            state: Preprocessed observations (batch, ...).
            action: Preprocessed actions (batch, ...).
            next_state: Preprocessed observations after the actions.
            done: 1.0 where `next_state` is terminal (batch,).
            log_policy_act_prob: Not needed.
        """
        del log_policy_act_prob
        return self.reward_net(state, action, next_state, done)

    def replay_reward(
        self,
        batch: TransitionBatch,
        env_rewards: np.ndarray,
        learned: np.ndarray | None = None,
    ) -> np.ndarray:
        """`-log(1 - D)` (n,), relative to that of the absorbing state."""
        c, b = self.absorbing_state
        if c == b == 0:
            return super().replay_reward(batch, env_rewards, learned)
        logits = th.as_tensor(self.reward_net.predict(*batch.arrays()))
        absorbing = F.softplus(th.tensor(c + b))
        return (F.softplus(logits + b) - absorbing).numpy()

    @classmethod
    def rewards_of(cls, net: RewardNet) -> tuple[RewardNet, RewardNet]:
        """`-log(1 - D)`, twice: see `reward_test`."""
        reward = RewardFromDiscriminator(net)
        return reward, reward

    @property
    def reward_train(self) -> RewardNet:
        """`-log(1 - D)`."""
        return self._reward_train

    @property
    def reward_test(self) -> RewardNet:
        """The same: a discriminator has no part that would be a reward of its own."""
        return self._reward_train

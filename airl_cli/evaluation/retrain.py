"""The retrain test: how good does a new policy become on a reward that is not trained any more?

A policy that was trained together with the reward saw every version of it. Only one that is
trained from scratch on the final reward shows what the reward is worth on its own (Sapora et al.
2024, "EvIL"). The same generator settings and steps on the true reward say what to compare with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy

from airl_cli.algorithms import RewardTrainer
from airl_cli.algorithms.schedule import Annealed, Schedule
from airl_cli.envs import EnvSpec
from airl_cli.evaluation.returns import Evaluation, evaluate_policy_returns
from airl_cli.evaluation.statistics import mean
from airl_cli.rewards import RewardNet
from airl_cli.seeding import derive_seed, isolated_rng
from airl_cli.text import return_text

log = logging.getLogger("airl_cli.evaluation")

TEMPERATURE: Schedule = Annealed(start=1.0, end=0.01, fraction=0.8)
"""On the learned reward: at 1 the demonstrations are optimal, at 0 only the reward counts."""

ROUND_SETTINGS = (
    "gen_train_timesteps",
    "normalize_gen_reward",
    "allow_variable_horizon",
    "absorbing",
)
"""What a `RewardTrainer` takes over from the trainer of the run that learned the reward."""


def train_on_reward(
    generator: Callable[..., BaseAlgorithm],
    env: EnvSpec,
    reward_net: RewardNet | None,
    *,
    total_timesteps: int,
    seed: int,
    temperature: float | Schedule = 0.0,
    on_round: Callable[[Mapping[str, float]], None] | None = None,
    **kwargs: Any,
) -> BasePolicy:
    """A new policy, trained from scratch on a fixed reward; no random stream of the caller moves.

    Args:
        generator: Makes the SB3 algorithm from `env` and `seed`.
        env: Makes the environments.
        reward_net: The reward; None: the environment's own.
        total_timesteps: Environment steps.
        seed: Of the policy and of the environments.
        temperature: Weight of the policy's entropy, or a schedule of it.
        on_round: Receives the numbers of each round.
        **kwargs: For `RewardTrainer`.
    """
    with isolated_rng(seed), closing(env.make(seed)) as venv:
        trainer = RewardTrainer(
            venv=venv,
            gen_algo=generator(env=venv, seed=seed),
            custom_logger=Logger(None, []),
            reward_net=reward_net,
            temperature=temperature,
            **kwargs,
        )

        def after_round(_: int) -> None:
            if on_round is not None:
                on_round(trainer.stats)

        trainer.train(total_timesteps, after_round)
        return trainer.policy


def retrain(
    evaluation: Evaluation,
    generator: Callable[..., BaseAlgorithm],
    env: EnvSpec,
    reward_net: RewardNet,
    *,
    total_timesteps: int,
    absorbing_logit: float = 0.0,
    deterministic: bool = False,
    **kwargs: Any,
) -> Evaluation:
    """Adds the retrain test to an evaluation.

    Two policies are trained from scratch with the same settings and number of steps, each with a
    seed of its own: one on the learned reward, one on the true reward. Both are scored on the true
    reward, in the episodes of the evaluation.

    Args:
        evaluation: Of the run's own policy.
        generator: Makes the SB3 algorithm from `env` and `seed`.
        env: The run's environment.
        reward_net: The learned reward; left as it is.
        total_timesteps: Environment steps of each of the two.
        absorbing_logit: Of the absorbing state, under the learned reward.
        deterministic: Whether the policies take their most likely actions in the evaluation.
        **kwargs: For `RewardTrainer`.
    """
    episodes_seed = derive_seed(evaluation.seed, "evaluation")
    n_episodes = len(evaluation.learner_returns)
    returns: dict[str, np.ndarray] = {}
    for name, net in (("learned", reward_net), ("true", None)):
        log.info("retrain test: %s steps on the %s reward", f"{total_timesteps:,}", name)
        policy = train_on_reward(
            generator,
            env,
            net,
            total_timesteps=total_timesteps,
            seed=derive_seed(evaluation.seed, f"retraining on the {name} reward"),
            temperature=0.0 if net is None else TEMPERATURE,
            absorbing_logit=0.0 if net is None else absorbing_logit,
            **kwargs,
        )
        returns[name] = evaluate_policy_returns(
            policy, env, n_episodes, episodes_seed, deterministic
        )
        log.info("true return of the new policy: %s", return_text(mean(returns[name])))
    return replace(
        evaluation, retrained_returns=returns["learned"], true_reward_returns=returns["true"]
    )

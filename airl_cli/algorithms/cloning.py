"""Behaviour cloning: a policy by maximum likelihood of the demonstrated actions.

Pomerleau 1991; Ross & Bagnell 2010 on why its mistakes add up over an episode. The likelihood is
that of `airl_cli.algorithms.log_prob`: demonstrated actions at the bounds of a Box have the mass of
the Gaussian's tail there, so that its mean is not drawn to the bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.checks import check_shapes, check_total_timesteps
from airl_cli.algorithms.demonstrations import DemonstrationAlgorithm
from airl_cli.algorithms.health import Weights, require_finite
from airl_cli.algorithms.log_prob import action_log_prob, check_has_log_prob, check_valid
from airl_cli.algorithms.samples import (
    ArraySampler,
    Demonstrations,
    demonstration_sampler,
    lack_actions,
)
from airl_cli.algorithms.state import (
    State,
    fitting,
    load_module,
    load_optimizer_state,
    load_rng_state,
    optimizer_state,
    rng_state,
)
from airl_cli.errors import InvalidValueError, NonFiniteError
from airl_cli.limits import Count, Positive, check_limits

DEFAULT_BATCH_SIZE = 256
"""Demonstrated transitions per update, where no number is given."""
WARM_START_STEPS = 2000 * DEFAULT_BATCH_SIZE
"""Samples of demonstrations that a generator is warm started with."""


class Cloning:
    """Updates of a policy towards demonstrated actions.

    Args:
        policy: Changed in place; its critics are left as they are.
        learning_rate: Of Adam.
    """

    def __init__(self, policy: BasePolicy, learning_rate: float) -> None:
        self.policy = policy
        self.optimizer = th.optim.Adam(policy.parameters(), lr=learning_rate)

    def update(self, batch: TransitionBatch) -> float:
        """One step of the optimiser; gives the mean log pi(a|s) of the batch before it.

        Raises:
            NonFiniteError: It is NaN or infinite; no step was taken.
        """
        obs, acts, *_ = batch.to(self.policy.device)
        self.policy.set_training_mode(True)
        try:
            likelihood = action_log_prob(self.policy, obs, acts).mean()
        except ValueError as error:  # torch refuses NaN, or a deviation of 0, in a distribution
            raise _diverged() from error
        self.policy.set_training_mode(False)
        if not th.isfinite(likelihood):
            raise _diverged()
        self.optimizer.zero_grad()
        (-likelihood).backward()
        self.optimizer.step()
        return likelihood.item()


def _diverged() -> NonFiniteError:
    return NonFiniteError(
        "the likelihood of the demonstrations is no number.",
        "The weights from before this round are kept. Try a lower trainer.learning_rate.",
    )


class BC(DemonstrationAlgorithm):
    """Clones demonstrations into a generator's policy; no environment steps, no reward.

    Args:
        demonstrations: As for `AdversarialTrainer`.
        venv: Environment that the policy is for; not stepped.
        gen_algo: Stable-Baselines3 algorithm, of which only the policy is trained.
        demo_batch_size: Demonstrated transitions per update. None: 256, in which transitions are
            repeated where fewer are demonstrated; a number needs at least as many.
        updates_per_round: Updates between two rows of figures.
        learning_rate: Of Adam.
        log_dir: Unused; where the adversarial trainers write summaries.
        custom_logger: Where figures are recorded; None: a table on stdout.
        rng: Source of the batches; None: seeded from torch's generator.

    Attributes:
        stats: Figures of the newest round; `log_prob` is the mean of its batches.
        good_weights: State dict of the policy after the newest complete round.

    Raises:
        InvalidTypeError: A `TypeError`: the policy cannot give log-probabilities of actions.
        InvalidValueError: A number out of range, or demonstrations of another environment.
    """

    learns_reward: ClassVar[bool] = False
    reward_net: ClassVar[None] = None
    reward_test: ClassVar[None] = None

    def __init__(
        self,
        *,
        demonstrations: Demonstrations | None,
        venv: VecEnv,
        gen_algo: BaseAlgorithm,
        demo_batch_size: Count | None = None,
        updates_per_round: Count = 10,
        learning_rate: Positive = 1e-3,
        log_dir: str | Path | None = None,
        custom_logger: Logger | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        del log_dir
        check_limits(BC, locals())
        check_has_log_prob(gen_algo, trainer="BC")
        self.venv = venv
        self.gen_algo = gen_algo
        self.demo_batch_size = demo_batch_size or DEFAULT_BATCH_SIZE
        self._at_least = demo_batch_size or 1
        self.updates_per_round = updates_per_round
        self.rng = rng or np.random.default_rng(int(th.randint(2**31, ())))
        self.cloning = Cloning(self.policy, learning_rate)
        self.stats: dict[str, float] = {}
        super().__init__(
            demonstrations=None, custom_logger=custom_logger, allow_variable_horizon=True
        )
        self.set_demonstrations(demonstrations)

    @property
    def policy(self) -> BasePolicy:
        """The clone."""
        return self.gen_algo.policy

    @property
    def gen_train_timesteps(self) -> int:
        """Samples of demonstrations that a round takes."""
        return self.updates_per_round * self.demo_batch_size

    def set_demonstrations(self, demonstrations: Demonstrations | None) -> None:
        """Replaces the demonstrations; accepts what the constructor accepts."""
        sampler = demonstration_sampler(
            demonstrations, self._at_least, self.rng, self.gen_algo.device
        )
        if lack_actions(sampler):
            raise InvalidValueError(
                "the demonstrations hold no actions, which behaviour cloning imitates.",
                "Use trainer=airl or trainer=gail with reward=state_only.",
            )
        if isinstance(sampler, ArraySampler):
            check_shapes(sampler.transitions, self.venv)
            check_valid(self.policy, sampler.transitions.obs, sampler.transitions.acts)
        self._demonstrations = sampler

    def train(
        self,
        total_timesteps: int,
        callback: Callable[[int], None] | None = None,
        *,
        completed_rounds: int = 0,
    ) -> None:
        """Trains round by round.

        Args:
            total_timesteps: Samples of demonstrations in all, repetitions included; never passed.
            callback: Called with 0, 1, ... after each round.
            completed_rounds: How many of the rounds are done already (`load_state_dict`).

        Raises:
            InvalidValueError: Not enough for one round.
            NonFiniteError: NaN or infinity in the likelihood or a weight; the policy then holds
                the weights from before that round.
        """
        n_rounds = check_total_timesteps(total_timesteps, self.gen_train_timesteps)
        self.good_weights = Weights(policy=self.policy)
        for number in range(completed_rounds, n_rounds):
            try:
                found = [self._update() for _ in range(self.updates_per_round)]
                require_finite("policy's weights", self.policy)
            except NonFiniteError as error:
                self.good_weights.restore()
                error.add_round(number)
                raise
            self.good_weights = Weights(policy=self.policy)
            self._summarise(number, float(np.mean(found)))
            if callback is not None:
                callback(number)

    def _update(self) -> float:
        return self.cloning.update(self._demonstrations.sample(self.demo_batch_size))

    def _summarise(self, number: int, log_prob: float) -> None:
        self.stats = {
            "round": float(number),
            "env_steps": 0.0,
            "true_return_mean": float("nan"),
            "samples": float((number + 1) * self.gen_train_timesteps),
            "log_prob": log_prob,
        }
        self.logger.record("bc/log_prob", log_prob)
        self.logger.dump(step=int(self.stats["samples"]))

    def learned_facts(self) -> dict[str, Any]:
        """What belongs to a learned reward besides its weights; nothing is learned here."""
        return {}

    def state_dict(self) -> State:
        """Everything the next round depends on, but the process's random generators."""
        return {
            "policy": self.policy.state_dict(),
            "cloning": {
                "optimizer": optimizer_state(self.cloning.optimizer),
                "rng": rng_state(self.rng),
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> bool:
        """Restores a state; True: there are no open episodes.

        Raises:
            InvalidValueError: The state is of a trainer with other settings.
        """
        with fitting("clone"):
            load_module(self.policy, state["policy"])
            load_optimizer_state(self.cloning.optimizer, state["cloning"]["optimizer"])
            load_rng_state(self.rng, state["cloning"]["rng"])
        return True


def warm_start(
    gen_algo: BaseAlgorithm, venv: VecEnv, demonstrations: Demonstrations, rng: np.random.Generator
) -> float:
    """Fits a generator's policy to demonstrations before it is trained otherwise.

    Args:
        gen_algo: Its policy is changed; critics and optimisers are left as they are.
        venv: Environment that it is for; not stepped.
        demonstrations: As for `BC`, with whose defaults it is trained.
        rng: Source of the batches.

    Returns:
        The mean log pi(a|s) of the last demonstrated actions that it was trained on.

    Raises:
        AirlError: As `BC`.
    """
    clone = BC(
        demonstrations=demonstrations,
        venv=venv,
        gen_algo=gen_algo,
        custom_logger=Logger(None, []),
        rng=rng,
    )
    clone.train(WARM_START_STEPS)
    return clone.stats["log_prob"]

"""A behaviour-cloned policy with noise: demonstrations of graded quality.

Brown, Goo & Niekum 2019 (D-REX, arXiv 1907.03976): a policy cloned from demonstrations gets worse
the more of its actions are random, which gives demonstrations whose ranking is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.cloning import Cloning
from airl_cli.data.rollout import flatten_trajectories
from airl_cli.data.types import Transitions
from airl_cli.experts.base import Demonstrations, Expert, PolicyExpert, Sampling, log
from airl_cli.experts.checkpoint import default_policy
from airl_cli.limits import Count, Fraction, Positive, check_limits
from airl_cli.policy_building import SpacesVecEnv
from airl_cli.seeding import derive_seed, isolated_rng
from airl_cli.text import return_text

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec


@dataclass
class ClonedExpert(PolicyExpert):
    """Clones another expert's demonstrations by supervised learning, and acts with noise.

    Args:
        teacher: Whose demonstrations are cloned.
        n_episodes: Whole episodes of the clone.
        noise: Probability of a random action.
        subsample: Train on every k-th transition only.
        use_actions: Show actions; False: observations alone.
        updates: Minibatches of supervised learning.
        batch_size: Transitions in each.
        learning_rate: Of Adam.
        policy_kwargs: Of SB3's actor-critic policy.
        device: Where it is trained and acts.

    Raises:
        InvalidValueError: If a number is out of range.
    """

    source: ClassVar[str] = "bc_noise"

    teacher: Expert
    n_episodes: Count = 32
    noise: Fraction = 0.0
    subsample: Count = 1
    use_actions: bool = True
    updates: Count = 2000
    batch_size: Count = 256
    learning_rate: Positive = 1e-3
    policy_kwargs: Mapping[str, Any] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_limits(ClonedExpert, vars(self))
        self.sampling = Sampling(
            self.n_episodes, self.noise, self.subsample, use_actions=self.use_actions
        )

    def policy_for(self, env: EnvSpec, *, seed: int) -> tuple[ActorCriticPolicy, dict[str, Any]]:
        """The clone of the teacher's demonstrations; errors as the teacher's."""
        taught = self.teacher.demonstrations(env, seed=seed)
        with isolated_rng(derive_seed(seed, "cloning")):
            policy = self._clone(env, _transitions(taught), seed)
        return policy, {"teacher": dict(taught.provenance)}

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Episodes of the noisy clone; errors as the teacher's."""
        found = super().demonstrations(env, seed=seed)
        log.info(
            f"cloned the demonstrations: return {return_text(found.returns.mean())} with "
            f"{self.noise:.0%} random actions"
        )
        return found

    def _clone(self, env: EnvSpec, taught: Transitions, seed: int) -> ActorCriticPolicy:
        spaces = env.spaces()
        model = PPO(  # its initial weights follow the seed, which `build_policy` would not let them
            default_policy(spaces[0]),
            SpacesVecEnv(*spaces),
            policy_kwargs=dict(self.policy_kwargs or {}),
            device=self.device,
        )
        cloning = Cloning(model.policy, self.learning_rate)
        columns = {name: getattr(taught, name) for name in TransitionBatch._fields}
        batches = TransitionBatch.of(columns, model.policy.device)
        rng = np.random.default_rng(derive_seed(seed, "cloning batches"))
        for _ in range(self.updates):
            index = rng.integers(len(taught), size=self.batch_size)
            cloning.update(batches.rows(torch.as_tensor(index)))
        return model.policy


def _transitions(taught: Demonstrations) -> Transitions:
    if isinstance(taught.samples, Transitions):
        return taught.samples
    return flatten_trajectories(taught.trajectories)

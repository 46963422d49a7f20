"""Demonstrations from a policy that acts in the run's environment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.policies import Predictor
from airl_cli.data.subsample import check_every, subsampled
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import sample_episodes
from airl_cli.experts.base import Demonstrations, describe_demonstrations
from airl_cli.experts.noise import NoisyPolicy, check_noise
from airl_cli.seeding import derive_seed

if TYPE_CHECKING:
    from gymnasium.spaces import Space

    from airl_cli.envs import EnvSpec


@dataclass(frozen=True)
class Sampling:
    """How much of a policy is shown, and how well.

    Attributes:
        n_episodes: Whole episodes.
        noise: Probability of a random action.
        subsample: Every k-th transition is trained on.
        deterministic: The most likely actions instead of sampled ones.

    Raises:
        InvalidValueError: If one is out of range.
    """

    n_episodes: int
    noise: float = 0.0
    subsample: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.n_episodes < 1:
            raise InvalidValueError(f"expert.n_episodes={self.n_episodes} must be positive")
        check_noise(self.noise)
        check_every(self.subsample)


def sampled_demonstrations(
    policy: Predictor | None,
    env: EnvSpec,
    sampling: Sampling,
    *,
    seed: int,
    started: float,
    source: str,
    **provenance: Any,
) -> Demonstrations:
    """Whole episodes of a policy.

    Args:
        policy: Of the expert; None for uniformly random actions.
        env: Where it acts.
        sampling: How much, how well.
        seed: The run's seed.
        started: When the work on the expert began (`time.perf_counter`).
        source: For the provenance.
        **provenance: What to add to it.
    """
    if policy is not None and sampling.noise:
        policy = NoisyPolicy(policy, spaces_of(env)[1], sampling.noise)
    trajectories = sample_episodes(
        policy,
        env,
        sampling.n_episodes,
        derive_seed(seed, "demonstrations"),
        deterministic=sampling.deterministic,
    )
    samples = None
    if sampling.subsample > 1:
        rng = np.random.default_rng(derive_seed(seed, "subsample"))
        samples = subsampled(trajectories, sampling.subsample, rng)
    return Demonstrations(
        trajectories=trajectories,
        policy=policy,
        provenance=describe_demonstrations(
            trajectories,
            source=source,
            seed=seed,
            noise=sampling.noise,
            subsample=sampling.subsample,
            **provenance,
        ),
        seconds=time.perf_counter() - started,
        samples=samples,
    )


def spaces_of(env: EnvSpec) -> tuple[Space[Any], Space[Any]]:
    """Observation and action space of one environment."""
    venv = env.make(0, n_envs=1)
    venv.close()
    return venv.observation_space, venv.action_space

"""What an expert is, and how demonstrations are sampled from one that has a policy."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from airl_cli.data.transitions import (
    RowsWithoutActions,
    WithoutActions,
    no_actions,
    subsample,
)
from airl_cli.data.types import Trajectory, Transitions
from airl_cli.data.validate import lengths_of, returns_of
from airl_cli.evaluation import sample_episodes
from airl_cli.experts.wrappers import NoisyPolicy
from airl_cli.limits import Count, Fraction, check_limits
from airl_cli.seeding import derive_seed

if TYPE_CHECKING:
    from airl_cli.data.policies import Predictor
    from airl_cli.data.stored import StoredTransitions
    from airl_cli.envs import EnvSpec

log = logging.getLogger("airl_cli.experts")
"""What takes long, was reused, or deserves attention; the command line shows it."""


@dataclass(frozen=True)
class Demonstrations:
    """Whole episodes of an expert and where they came from.

    Attributes:
        trajectories: The episodes, with their true rewards where these are known; a sequence that
            may read each episode from a file when it is asked for.
        policy: The expert itself; None when only recordings of it exist.
        provenance: JSON-able: `source`, `n_episodes`, `n_transitions`, `return_mean`, and what
            the source adds (`cache`, `reused`, ...).
        seconds: Wall-clock time it took to get them, training included.
        samples: What to train on, where it is not simply all of `trajectories`: some of their
            transitions, or transitions that stay in a file until they are drawn.
    """

    trajectories: Sequence[Trajectory]
    policy: Predictor | None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    samples: Transitions | StoredTransitions | None = None

    @property
    def returns(self) -> np.ndarray:
        """True returns (n_episodes,); empty where rewards are unknown."""
        return returns_of(self.trajectories)

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each episode (n_episodes,)."""
        return lengths_of(self.trajectories)

    @property
    def for_training(self) -> Any:
        """What the trainer's `set_demonstrations` takes."""
        return self.trajectories if self.samples is None else self.samples

    def without_actions(self) -> Demonstrations:
        """The same, in which only observations are shown."""
        samples: Any = self.samples
        if isinstance(samples, Transitions):
            samples = replace(samples, acts=no_actions(len(samples)))
        elif samples is not None:
            samples = RowsWithoutActions(samples)
        return replace(
            self,
            trajectories=WithoutActions(self.trajectories),
            provenance={**self.provenance, "use_actions": False},
            samples=samples,
        )

    @property
    def n_for_training(self) -> int:
        """Transitions of `for_training`."""
        return int(self.lengths.sum()) if self.samples is None else len(self.samples)


def describe_demonstrations(
    trajectories: Sequence[Trajectory], *, source: str, seed: int, **more: Any
) -> dict[str, Any]:
    """The provenance that every source records; `more` adds to it.

    Returns are None where rewards are unknown.
    """
    returns, lengths = returns_of(trajectories), lengths_of(trajectories)
    return {
        "source": source,
        "seed": seed,
        "n_episodes": len(trajectories),
        "n_transitions": int(lengths.sum()),
        "return_mean": float(np.mean(returns)) if len(returns) else None,
        "return_std": float(np.std(returns)) if len(returns) else None,
        **more,
    }


class Expert(Protocol):
    """A source of demonstrations; `conf/expert/*.yaml` names one each."""

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Episodes of the expert in `env`.

        Args:
            env: The environment of the run.
            seed: The run's seed: other seeds give other demonstrations.

        Raises:
            InvalidValueError: If this expert cannot serve this environment.
        """


@dataclass(frozen=True)
class Sampling:
    """How much of a policy is shown, and how well.

    Attributes:
        n_episodes: Whole episodes.
        noise: Probability of a random action.
        subsample: Every k-th transition is trained on.
        deterministic: The most likely actions instead of sampled ones.
        use_actions: Show actions; False: observations alone.

    Raises:
        InvalidValueError: If one is out of range.
    """

    n_episodes: Count
    noise: Fraction = 0.0
    subsample: Count = 1
    deterministic: bool = False
    use_actions: bool = True

    def __post_init__(self) -> None:
        check_limits(Sampling, vars(self))


class PolicyExpert(ABC):
    """An expert with a policy, which acts in the run's environment.

    Attributes:
        source: Its name in the provenance.
        sampling: How much of the policy is shown, and how well.
    """

    source: ClassVar[str]
    sampling: Sampling

    @abstractmethod
    def policy_for(self, env: EnvSpec, *, seed: int) -> tuple[Predictor | None, dict[str, Any]]:
        """The policy (None: uniformly random actions), and what to add to the provenance.

        Args:
            env: The environment.
            seed: The run's seed.
        """

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Whole episodes of the policy; see `Expert.demonstrations`.

        Raises:
            AirlError: If there is no policy for this environment.
        """
        started = time.perf_counter()
        policy, provenance = self.policy_for(env, seed=seed)
        sampling = self.sampling
        if policy is not None and sampling.noise:
            policy = NoisyPolicy(policy, env.spaces()[1], sampling.noise)
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
            samples = subsample(trajectories, sampling.subsample, rng)
        described = describe_demonstrations(
            trajectories,
            source=self.source,
            seed=seed,
            noise=sampling.noise,
            subsample=sampling.subsample,
            **provenance,
        )
        found = Demonstrations(
            trajectories, policy, described, time.perf_counter() - started, samples
        )
        return found if sampling.use_actions else found.without_actions()

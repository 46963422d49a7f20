"""How good a policy is on the true reward, against the expert and against random actions."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from airl_cli import __version__
from airl_cli.data import rollout
from airl_cli.data.types import TrajectoryWithRew, true_returns
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation.statistics import lead, mean, normalized_score
from airl_cli.evaluation.tables import number, returns_table
from airl_cli.seeding import derive_seed, isolated_rng

if TYPE_CHECKING:
    from rich.table import Table
    from stable_baselines3.common.vec_env import VecEnv


class MakesEnvs(Protocol):
    """What is needed of an `airl_cli.envs.EnvSpec` here."""

    @property
    def id(self) -> str:
        """The environment's registered name."""

    @property
    def n_envs(self) -> int:
        """Environments stepped side by side."""

    def make(self, seed: int, n_envs: int | None = None) -> VecEnv:
        """A seeded vectorised environment."""


def sample_episodes(
    policy: Any, env: MakesEnvs, n_episodes: int, seed: int, *, deterministic: bool = False
) -> list[TrajectoryWithRew]:
    """Exactly `n_episodes` whole episodes of `policy` in fresh environments.

    Every episode begun is finished, and when that gives more than asked for, which ones are kept
    is drawn at random: neither step favours short episodes. The same arguments give the same
    episodes, and no random stream of the caller moves.

    Args:
        policy: What `rollout.rollout` takes: an SB3 policy or algorithm, a callable, or None for
            uniformly random actions.
        env: Makes the environments.
        n_episodes: At least 1.
        seed: Of the environments and of the policy's actions.
        deterministic: Take the policy's most likely action instead of sampling.

    Raises:
        InvalidValueError: If `n_episodes` is not positive.
    """
    if n_episodes < 1:
        raise InvalidValueError(f"n_episodes={n_episodes}: at least one episode is needed")
    rng = np.random.default_rng(derive_seed(seed, "actions"))
    with isolated_rng(derive_seed(seed, "policy")):
        venv = env.make(derive_seed(seed, "environments"), n_envs=min(env.n_envs, n_episodes))
        try:
            episodes = rollout.rollout(
                policy,
                venv,
                rollout.make_sample_until(min_episodes=n_episodes),
                rng=rng,
                deterministic_policy=deterministic,
            )
        finally:
            venv.close()
    kept = rng.permutation(len(episodes))[:n_episodes]
    return [episodes[i] for i in kept]


def evaluate_policy_returns(
    policy: Any, env: MakesEnvs, n_episodes: int, seed: int, deterministic: bool = False
) -> np.ndarray:
    """True returns (n_episodes,) of fresh episodes; arguments as in `sample_episodes`."""
    return true_returns(sample_episodes(policy, env, n_episodes, seed, deterministic=deterministic))


@dataclass(frozen=True)
class Baseline:
    """What uniformly random actions reach.

    Attributes:
        returns: True returns (n_episodes,).
        lengths: Steps (n_episodes,); different ones mean a variable horizon.
        episode: One of the episodes, for plots.
    """

    returns: np.ndarray
    lengths: np.ndarray
    episode: TrajectoryWithRew


def random_baseline(env: MakesEnvs, n_episodes: int, seed: int) -> Baseline:
    """`n_episodes` episodes of uniformly random actions; arguments as in `sample_episodes`."""
    episodes = sample_episodes(None, env, n_episodes, seed)
    lengths = np.array([len(episode) for episode in episodes])
    return Baseline(true_returns(episodes), lengths, episodes[0])


@dataclass(frozen=True)
class Evaluation:
    """True returns of learner, expert and random policy on the same environment.

    Attributes:
        env_id: Registered name of the environment.
        seed: The run's seed.
        learner_returns: (n_eval_episodes,).
        expert_returns: (n,); empty where no expert is known.
        random_returns: (n,).
        retrained_returns: Of a new policy, trained from scratch on the final reward; empty where
            the retrain test (`airl_cli.evaluation.retrain`) was not made.
        true_reward_returns: Of one trained on the true reward, with the same settings and steps.
    """

    env_id: str
    seed: int
    learner_returns: np.ndarray
    expert_returns: np.ndarray
    random_returns: np.ndarray
    retrained_returns: np.ndarray = field(default_factory=lambda: np.array([]))
    true_reward_returns: np.ndarray = field(default_factory=lambda: np.array([]))

    _best: ClassVar[str] = "the expert"

    @property
    def no_score_because(self) -> str | None:
        """Why there is no normalised score; None where there is one."""
        return no_scale(self._best, self.expert_returns, "random actions", self.random_returns)

    @property
    def normalized_score(self) -> float:
        """`(learner - random) / (expert - random)` of the mean returns.

        NaN where the expert's mean return does not exceed that of random actions by more than the
        noise of both: such a quotient says nothing (`no_score_because`).
        """
        return self.score_of(self.learner_returns)

    def score_of(self, returns: np.ndarray) -> float:
        """The normalised score of some policy's true returns (n,); NaN as `normalized_score`."""
        if self.no_score_because:
            return math.nan
        return normalized_score(mean(returns), mean(self.random_returns), mean(self.expert_returns))

    def rows(self) -> Mapping[str, np.ndarray]:
        """The returns that the table compares, by the policy's name."""
        retrained = {
            "new policy on the learned reward": self.retrained_returns,
            "new policy on the true reward": self.true_reward_returns,
        }
        return {
            "learner": self.learner_returns,
            "expert": self.expert_returns,
            "random": self.random_returns,
            **{name: returns for name, returns in retrained.items() if len(returns)},
        }

    def result(
        self,
        *,
        env_steps: int | None = None,
        rounds: int | None = None,
        train_seconds: float | None = None,
        expert_seconds: float | None = None,
        n_demonstrations: int | None = None,
        absorbing_logit: float | None = None,
        reward_range: tuple[float, float] | None = None,
    ) -> dict[str, Any]:
        """The flat mapping that `result.json` holds, versions of the packages included.

        Args:
            env_steps: Environment steps of training.
            rounds: Completed rounds.
            train_seconds: Wall-clock time of the rounds.
            expert_seconds: Wall-clock time of getting the expert and its demonstrations.
            n_demonstrations: Episodes of demonstrations.
            absorbing_logit: What the absorbing state is worth under the learned reward.
            reward_range: Between which values that reward was learned.
        """
        return {
            "env_id": self.env_id,
            "seed": self.seed,
            "env_steps": env_steps,
            "rounds": rounds,
            "train_seconds": train_seconds,
            "expert_seconds": expert_seconds,
            "n_demonstrations": n_demonstrations,
            "absorbing_logit": absorbing_logit,
            "reward_range": reward_range,
            "expert_return_mean": mean(self.expert_returns),
            "random_return_mean": mean(self.random_returns),
            "learner_return_mean": mean(self.learner_returns),
            "learner_return_std": float(np.std(self.learner_returns)),
            "n_eval_episodes": len(self.learner_returns),
            "normalized_score": self.normalized_score,
            "no_score_because": self.no_score_because,
            **self._retrain_result(),
            **versions(),
        }

    def _retrain_result(self) -> dict[str, float]:
        if not len(self.retrained_returns):
            return {}
        return {
            "retrain_return_mean": mean(self.retrained_returns),
            "retrain_score": self.score_of(self.retrained_returns),
            "true_reward_return_mean": mean(self.true_reward_returns),
            "true_reward_score": self.score_of(self.true_reward_returns),
        }

    def table(self) -> Table:
        """The result as a rich table: mean, deviation, interval and normalised score."""
        scores = {name: self.score_of(returns) for name, returns in self.rows().items()}
        reason = self.no_score_because
        note = f"no normalised score: {reason}" if reason else None
        return returns_table(f"True return in {self.env_id}", self.rows(), scores, note)


def no_scale(
    upper: str, upper_returns: np.ndarray, lower: str, lower_returns: np.ndarray
) -> str | None:
    """Why no score can be measured between two policies' true returns; None where one can."""
    if not len(upper_returns) or not len(lower_returns):
        missing = lower if len(upper_returns) else upper
        return f"the return of {missing} is unknown"
    difference, noise = lead(upper_returns, lower_returns)
    if difference > noise:
        return None
    return (
        f"the mean return of {upper} ({number(mean(upper_returns))}) does not exceed that of "
        f"{lower} ({number(mean(lower_returns))}) by more than the noise of both"
    )


def evaluate(
    policy: Any,
    env: MakesEnvs,
    *,
    seed: int,
    expert_policy: Any = None,
    expert_returns: Sequence[float] | np.ndarray | None = None,
    random: Baseline | None = None,
    n_episodes: int = 50,
    deterministic: bool = False,
) -> Evaluation:
    """Compare a policy with the expert and with random actions on the true reward.

    Learner and expert get fresh episodes with the same starting states, which are none of those
    of training or of the demonstrations.

    Args:
        policy: The learner.
        env: Makes the environments.
        seed: The run's seed; the seed of the episodes is derived from it.
        expert_policy: Gets fresh episodes too, if given.
        expert_returns: Used when there is no expert policy, only demonstrations.
        random: A baseline that exists already; otherwise it is sampled here.
        n_episodes: For each of the three.
        deterministic: Whether the learner takes its most likely action. The expert never does:
            its score is that of the policy that gave the demonstrations.

    Returns:
        Without an expert policy and returns, an evaluation without an expert: its return and the
        normalised score are NaN.
    """
    episodes_seed = derive_seed(seed, "evaluation")
    if expert_policy is not None:
        expert_returns = evaluate_policy_returns(expert_policy, env, n_episodes, episodes_seed)
    if random is None:
        random = random_baseline(env, n_episodes, episodes_seed)
    learner = evaluate_policy_returns(policy, env, n_episodes, episodes_seed, deterministic)
    expert = np.asarray([] if expert_returns is None else expert_returns, dtype=float)
    return Evaluation(env.id, seed, learner, expert, random.returns)


def versions() -> Mapping[str, str]:
    """Versions of Python and of the packages that decide a result."""
    return {
        "python": platform.python_version(),
        "torch": _version("torch"),
        "stable_baselines3": _version("stable_baselines3"),
        "gymnasium": _version("gymnasium"),
        "airl_cli": __version__,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # importable, but not installed by a package manager
        return "unknown"

"""How good a learned reward is, in words: from several measures, never from one number alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.evaluation.plots import rewards_of
from airl_cli.evaluation.statistics import lead, mean
from airl_cli.evaluation.tables import number
from airl_cli.rewards import RewardNet
from airl_cli.rewards.compare import Comparison

GOOD, DOUBTFUL, POOR, UNKNOWN = "good", "doubtful", "poor", "unknown"
_ORDER = (POOR, DOUBTFUL, GOOD)

_CLOSE, _FAR = 0.25, 0.5  # distances; unrelated rewards are 0.71 apart
_RETRAINED, _BARELY = 0.9, 0.5  # retrain scores
_EXCESS = 0.5  # of the lead of the demonstrations over random actions


@dataclass(frozen=True)
class LearnedReturns:
    """Undiscounted returns of some episodes.

    Attributes:
        learned: Under the learned reward (n,).
        true: Under the true reward (n,); empty where it is not known of all episodes.
    """

    learned: np.ndarray
    true: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """How far a learned reward can be trusted.

    Attributes:
        word: `good`, `doubtful`, `poor`, or `unknown` where nothing could be measured: the worst
            of what the measures say.
        reasons: What each measure says, in a sentence.
    """

    word: str
    reasons: Sequence[str]


def learned_returns(net: RewardNet, episodes: Sequence[Trajectory]) -> LearnedReturns:
    """Returns of whole episodes under a learned reward, and their true ones."""
    learned = np.array([float(rewards_of(net, episode).sum()) for episode in episodes])
    true = [float(e.rews.sum()) for e in episodes if isinstance(e, TrajectoryWithRew)]
    return LearnedReturns(learned, np.array(true if len(true) == len(episodes) else []))


def judge(
    returns: Mapping[str, LearnedReturns],
    comparison: Comparison,
    retrain_score: float | None = None,
    true_reward_score: float | None = None,
) -> Verdict:
    """A verdict on a learned reward.

    Args:
        returns: Of `demonstrations`, `learner` and `random` actions.
        comparison: With the true reward; NaN where it is not known.
        retrain_score: Of a new policy that was trained on the learned reward; None: not measured.
        true_reward_score: Of one on the true reward, with the same settings and steps.
    """
    found = [
        _demonstrations_lead(returns),
        _learner_exceeds(returns),
        _distance(comparison),
        _retrained(retrain_score, true_reward_score),
    ]
    said = [part for part in found if part is not None]
    words = [word for word, _ in said if word in _ORDER]
    worst = min(words, key=_ORDER.index) if words else UNKNOWN
    return Verdict(worst, [reason for _, reason in said])


def _demonstrations_lead(returns: Mapping[str, LearnedReturns]) -> tuple[str, str]:
    demonstrations, random = (returns[name].learned for name in ("demonstrations", "random"))
    difference, noise = lead(demonstrations, random)
    numbers = f"{number(mean(demonstrations))} against {number(mean(random))}"
    if difference > noise:
        return GOOD, f"demonstrations return more than random actions under it: {numbers}"
    return POOR, f"demonstrations return no more than random actions under it: {numbers}"


def _learner_exceeds(returns: Mapping[str, LearnedReturns]) -> tuple[str, str] | None:
    """A learner that earns much more than the demonstrations exploits the reward."""
    demonstrations, random = (returns[n].learned for n in ("demonstrations", "random"))
    learner = returns["learner"].learned
    difference, noise = lead(learner, demonstrations)
    span = mean(demonstrations) - mean(random)
    if span <= 0 or difference <= max(noise, _EXCESS * span):
        return None
    numbers = f"{number(mean(learner))} against {number(mean(demonstrations))}"
    return DOUBTFUL, f"the learner returns far more than the demonstrations under it: {numbers}"


def _distance(comparison: Comparison) -> tuple[str, str] | None:
    known = {
        "STARC": comparison.starc_distance,
        "EPIC": comparison.epic_distance,
    }
    known = {name: value for name, value in known.items() if math.isfinite(value)}
    if not known:
        return None
    worst = max(known.values())
    word = GOOD if worst <= _CLOSE else DOUBTFUL if worst <= _FAR else POOR
    near = {GOOD: "close to", DOUBTFUL: "some way from", POOR: "far from"}[word]
    numbers = ", ".join(f"{name} distance {value:.2f}" for name, value in known.items())
    return word, f"it is {near} the true reward where it was compared: {numbers}"


def _retrained(score: float | None, true_reward_score: float | None) -> tuple[str, str]:
    if score is None or not math.isfinite(score):
        return UNKNOWN, (
            "whether a new policy learns from it alone is not measured: airl transfer run=<run>"
        )
    beside = true_reward_score
    known = beside is not None and math.isfinite(beside) and beside > 0
    share = score / beside if known and beside is not None else score
    word = GOOD if share >= _RETRAINED else DOUBTFUL if share >= _BARELY else POOR
    compared = f", {beside:.2f} on the true reward" if known else ""
    return word, f"a new policy trained on it alone scores {score:.2f}{compared}"

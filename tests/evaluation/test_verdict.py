"""The verdict on a learned reward."""

import math

import numpy as np
import pytest

from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.evaluation.verdict import LearnedReturns, judge, learned_returns
from airl_cli.rewards.compare import Comparison

NONE = np.array([])
UNKNOWN = Comparison(math.nan)


def returns(demonstrations: float = 10.0, learner: float = 10.0, random: float = 1.0):
    noise = np.linspace(-1, 1, 20)
    levels = {"demonstrations": demonstrations, "learner": learner, "random": random}
    return {name: LearnedReturns(level + noise, NONE) for name, level in levels.items()}


def test_a_reward_close_to_the_true_one_that_trains_a_policy_is_good() -> None:
    close = Comparison(0.9, 0.95, epic_distance=0.16, starc_distance=0.2)
    verdict = judge(returns(), close, 0.97, 1.0)
    assert verdict.word == "good"
    assert len(verdict.reasons) == 3
    text = "; ".join(verdict.reasons)
    for part in ("10.0 against 1.0", "STARC distance 0.20", "scores 0.97, 1.00 on the true reward"):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "word", "reason"),
    [
        ((returns(demonstrations=1.1), UNKNOWN), "poor", "no more than random actions"),
        ((returns(learner=30.0), UNKNOWN), "doubtful", "far more than the demonstrations"),
        ((returns(), Comparison(0.1, starc_distance=0.65)), "poor", "far from the true reward"),
        ((returns(), Comparison(0.1, starc_distance=0.4)), "doubtful", "some way from"),
        ((returns(), UNKNOWN, 0.03, 0.5), "poor", "a new policy trained on it alone scores 0.03"),
        ((returns(), UNKNOWN, 0.5, 0.52), "good", "0.52 on the true reward"),
        ((returns(), UNKNOWN), "good", "airl transfer run=<run>"),
    ],
)
def test_the_worst_measure_decides(arguments, word: str, reason: str) -> None:
    verdict = judge(*arguments)
    assert verdict.word == word
    assert any(reason in said for said in verdict.reasons), verdict.reasons


class Ten:
    def predict(self, state, action, next_state, done) -> np.ndarray:
        return 10.0 + 100.0 * done


def test_returns_under_a_reward_are_sums_over_whole_episodes() -> None:
    obs, acts = np.zeros((4, 2), np.float32), np.zeros(3, int)
    plain = Trajectory(obs, acts, None, True)
    found = learned_returns(Ten(), [plain])  # type: ignore[arg-type]
    assert (found.learned.tolist(), len(found.true)) == ([130.0], 0)
    known = TrajectoryWithRew(obs, acts, None, False, rews=np.array([1.0, 2.0, 3.0]))
    found = learned_returns(Ten(), [known])  # type: ignore[arg-type]
    assert (found.learned.tolist(), found.true.tolist()) == ([30.0], [6.0])

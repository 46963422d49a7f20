"""How much of a reward survives a change of dynamics, as a comparison of true returns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from rich.table import Table

from airl_cli.evaluation.returns import Evaluation, no_scale
from airl_cli.evaluation.statistics import mean, normalized_score
from airl_cli.evaluation.tables import number


@dataclass(frozen=True, kw_only=True)
class TransferEvaluation(Evaluation):
    """True returns in the target environment (Fu, Luo & Levine 2018, table 1).

    The learner is the policy trained on the transferred reward, the expert the one trained on
    the true reward there.

    Attributes:
        source_returns: The run's own policy, applied as it is; empty where it cannot act.
        gail_returns: A GAIL run's policy, applied as it is; empty where none was given.
        run_levels: Mean returns of random actions and of the run's expert, where the target is the
            run's own environment: what the retrain score is measured between. None elsewhere.
    """

    source_returns: np.ndarray
    gail_returns: np.ndarray
    run_levels: tuple[float, float] | None = None
    _best: ClassVar[str] = "the policy trained on the true reward (a)"

    @property
    def no_transfer_score_because(self) -> str | None:
        """Why there is no transfer score; None where there is one."""
        lower = "the run's policy (c)"
        return no_scale(self._best, self.expert_returns, lower, self.source_returns)

    @property
    def transfer_score(self) -> float:
        """`(b - c) / (a - c)`: 0 where the old policy is as good, 1 where the true reward is.

        NaN where (a) is not better than (c) by more than the noise of both.
        """
        if self.no_transfer_score_because:
            return math.nan
        above, below = mean(self.expert_returns), mean(self.source_returns)
        return normalized_score(mean(self.learner_returns), below, above)

    def rows(self) -> Mapping[str, np.ndarray]:
        """The returns by policy, in the order of the paper's table."""
        rows = {
            "(a) trained on the true reward": self.expert_returns,
            "(b) trained on the transferred reward": self.learner_returns,
        }
        if len(self.source_returns):
            rows["(c) the run's policy as it is"] = self.source_returns
        if len(self.gail_returns):
            rows["(d) GAIL's policy as it is"] = self.gail_returns
        return {**rows, "(e) random": self.random_returns}

    def table(self) -> Table:
        """The table of the policies, with the transfer score below it."""
        table = super().table()
        reason = self.no_transfer_score_because
        score = f"transfer score (b - c) / (a - c): {number(self.transfer_score, '.3f')}"
        notes = [f"no transfer score: {reason}" if reason else score]
        retrain = self._retrain_result()
        if retrain:
            learned, true = (
                number(retrain[f"{n}_score"], ".3f") for n in ("retrain", "true_reward")
            )
            notes.append(f"retrain score {learned}; on the true reward {true}")
        if table.caption:
            notes.append(str(table.caption))
        table.caption = "\n".join(notes)
        return table

    def result(self, **kwargs: Any) -> dict[str, Any]:
        """What `result.json` holds, with `transfer_score` and the further returns.

        Args:
            **kwargs: As in `Evaluation.result`.
        """
        return {
            **super().result(**kwargs),
            "transfer_score": self.transfer_score,
            "no_transfer_score_because": self.no_transfer_score_because,
            "source_return_mean": mean(self.source_returns),
            "gail_return_mean": mean(self.gail_returns),
        }

    def _retrain_result(self) -> dict[str, float]:
        """As of `Evaluation`: in the run's own environment this comparison is the retrain test."""
        if self.run_levels is None:
            return {}
        return {
            "retrain_return_mean": mean(self.learner_returns),
            "retrain_score": normalized_score(mean(self.learner_returns), *self.run_levels),
            "true_reward_return_mean": mean(self.expert_returns),
            "true_reward_score": normalized_score(mean(self.expert_returns), *self.run_levels),
        }


def summary_table(evaluations: Sequence[TransferEvaluation]) -> Table:
    """Transfer and normalised scores over several runs: mean and standard deviation.

    Runs without a score are left out of its mean, and counted.
    """
    table = Table(title=f"Transfer over {len(evaluations)} runs", title_justify="left")
    for heading in ("score", "mean", "std", "runs with a score"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    for name in ("transfer_score", "normalized_score"):
        scores = [getattr(evaluation, name) for evaluation in evaluations]
        known = [score for score in scores if math.isfinite(score)]
        std = float(np.std(known)) if known else math.nan
        table.add_row(name, number(mean(known), ".3f"), number(std, ".3f"), str(len(known)))
    return table

"""How much of a reward survives a change of dynamics, as a comparison of true returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from airl_cli.evaluation import Evaluation, mean, normalized_score
from airl_cli.reporting.table import number


@dataclass(frozen=True)
class TransferEvaluation(Evaluation):
    """True returns in the target environment (Fu, Luo & Levine 2018, table 1).

    The learner is the policy trained on the transferred reward, the expert the one trained on
    the true reward there.

    Attributes:
        source_returns: The run's own policy, applied as it is; empty where it cannot act.
        gail_returns: A GAIL run's policy, applied as it is; empty where none was given.
    """

    source_returns: np.ndarray
    gail_returns: np.ndarray

    @property
    def transfer_score(self) -> float:
        """`(b - c) / (a - c)`: 0 where the old policy is as good, 1 where the true reward is."""
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
        table.caption = f"transfer score (b - c) / (a - c): {number(self.transfer_score, '.3f')}"
        return table

    def result(self, **kwargs: Any) -> dict[str, Any]:
        """What `result.json` holds, with `transfer_score` and the further returns.

        Args:
            **kwargs: As in `Evaluation.result`.
        """
        return {
            **super().result(**kwargs),
            "transfer_score": self.transfer_score,
            "source_return_mean": mean(self.source_returns),
            "gail_return_mean": mean(self.gail_returns),
        }

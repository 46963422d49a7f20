"""The table at the end of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from airl_cli.evaluation import confidence_interval, mean, normalized_score

if TYPE_CHECKING:
    from airl_cli.evaluation import Evaluation
    from airl_cli.transfer import TransferEvaluation


def evaluation_table(evaluation: Evaluation) -> Table:
    """True returns of the policies that an evaluation compares, one row each."""
    table = Table(title=f"True return in {evaluation.env_id}", title_justify="left")
    table.add_column("policy")
    for heading in ("mean", "std", "95 % interval", "episodes", "normalised score"):
        table.add_column(heading, justify="right")
    random, expert = mean(evaluation.random_returns), mean(evaluation.expert_returns)
    for name, returns in evaluation.rows().items():
        score = normalized_score(mean(returns), random, expert)
        table.add_row(name, *_cells(returns), number(score, ".3f"))
    return table


def transfer_summary(evaluations: Sequence[TransferEvaluation]) -> Table:
    """Transfer and normalised scores over several runs: mean and standard deviation."""
    table = Table(title=f"Transfer over {len(evaluations)} runs", title_justify="left")
    for heading in ("score", "mean", "std"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    for name in ("transfer_score", "normalized_score"):
        scores = [getattr(evaluation, name) for evaluation in evaluations]
        table.add_row(name, number(mean(scores), ".3f"), number(float(np.std(scores)), ".3f"))
    return table


def _cells(returns: Sequence[float] | np.ndarray) -> tuple[str, str, str, str]:
    low, high = confidence_interval(returns)
    interval = "-" if math.isnan(low) else f"[{number(low)}, {number(high)}]"
    std = float(np.std(returns)) if len(returns) else math.nan
    return number(mean(returns)), number(std), interval, str(len(returns))


def number(value: float, form: str = ",.1f") -> str:
    """A number for people; a dash where there is none."""
    return format(value, form) if math.isfinite(value) else "-"

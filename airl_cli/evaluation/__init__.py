"""How good policies and rewards are: returns on the true reward, scores, tables, plots, videos."""

from airl_cli.evaluation.evaluate import (
    Baseline,
    Evaluation,
    evaluate,
    evaluate_policy_returns,
    random_baseline,
    sample_episodes,
    versions,
)
from airl_cli.evaluation.statistics import (
    bootstrap_interval,
    confidence_interval,
    lead,
    mean,
    normalized_score,
)

__all__ = [
    "Baseline",
    "Evaluation",
    "bootstrap_interval",
    "confidence_interval",
    "evaluate",
    "evaluate_policy_returns",
    "lead",
    "mean",
    "normalized_score",
    "random_baseline",
    "sample_episodes",
    "versions",
]

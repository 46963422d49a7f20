"""How good policies and rewards are: returns on the true reward, scores, tables, plots, videos.

Names are loaded when they are first used: statistics and plots need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airl_cli.evaluation.returns import (
        Baseline,
        Evaluation,
        evaluate,
        evaluate_policy_returns,
        random_baseline,
        sample_episodes,
        versions,
    )
    from airl_cli.evaluation.statistics import confidence_interval, lead, mean, normalized_score

_RETURNS = (
    "Baseline",
    "Evaluation",
    "evaluate",
    "evaluate_policy_returns",
    "random_baseline",
    "sample_episodes",
    "versions",
)
_STATISTICS = ("confidence_interval", "lead", "mean", "normalized_score")

__all__ = [
    "Baseline",
    "Evaluation",
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


def __getattr__(name: str) -> Any:
    if name in _RETURNS:
        return getattr(importlib.import_module("airl_cli.evaluation.returns"), name)
    if name in _STATISTICS:
        return getattr(importlib.import_module("airl_cli.evaluation.statistics"), name)
    raise AttributeError(f"module 'airl_cli.evaluation' has no attribute {name!r}")

"""True returns and distances of rewards as rich tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from airl_cli.evaluation.statistics import confidence_interval, mean
from airl_cli.text import return_text

if TYPE_CHECKING:
    from airl_cli.evaluation.verdict import LearnedReturns
    from airl_cli.rewards.compare import Comparison


def returns_table(
    title: str,
    returns: Mapping[str, np.ndarray],
    scores: Mapping[str, float],
    note: str | None = None,
) -> Table:
    """True returns of several policies: mean, deviation, interval and normalised score.

    Args:
        title: Above the table.
        returns: By the policy's name, true returns (n,); n may be 0.
        scores: By the policy's name; NaN where there is none.
        note: Below the table.
    """
    table = Table(title=title, title_justify="left", caption=note, caption_justify="left")
    table.add_column("policy")
    for heading in ("mean", "std", "95 % interval", "episodes", "normalised score"):
        table.add_column(heading, justify="right")
    for name, values in returns.items():
        table.add_row(name, *_return_cells(values), number(scores[name], ".3f"))
    return table


def _return_cells(returns: np.ndarray) -> tuple[str, str, str, str]:
    low, high = confidence_interval(returns)
    interval = "-" if math.isnan(low) else f"[{number(low)}, {number(high)}]"
    std = float(np.std(returns)) if len(returns) else math.nan
    return number(mean(returns)), number(std), interval, str(len(returns))


def comparison_table(comparisons: Mapping[str, Comparison], distribution: str) -> Table:
    """Distances to the true reward, a row for each reward.

    Args:
        comparisons: By the reward's name.
        distribution: Of the transitions, in words.
    """
    table = Table(title=f"Learned against true reward: {distribution}", title_justify="left")
    table.add_column("reward")
    for heading in ("Pearson", "canonicalised", "EPIC distance", "STARC distance"):
        table.add_column(heading, justify="right")
    for name, found in comparisons.items():
        values = (
            found.pearson,
            found.pearson_canonical,
            found.epic_distance,
            found.starc_distance,
        )
        table.add_row(name, *(number(value, ".3f") for value in values))
    return table


def learned_returns_table(found: Mapping[str, LearnedReturns]) -> Table:
    """What episodes of several policies earn under the learned reward, a row for each policy."""
    table = Table(title="Returns under the learned reward", title_justify="left")
    table.add_column("policy")
    for heading in ("learned, mean", "95 % interval", "true, mean", "episodes"):
        table.add_column(heading, justify="right")
    for name, returns in found.items():
        low, high = confidence_interval(returns.learned)
        interval = "-" if math.isnan(low) else f"[{number(low)}, {number(high)}]"
        cells = number(mean(returns.learned)), interval, number(mean(returns.true))
        table.add_row(name, *cells, str(len(returns.learned)))
    return table


def number(value: float, form: str | None = None) -> str:
    """A number for people, without a negative zero; a dash where there is none.

    Args:
        value: A return, unless
        form: says how it is shown.
    """
    if form is None:
        return return_text(value)
    return format(value, f"z{form}") if math.isfinite(value) else "-"

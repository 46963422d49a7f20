"""Means, intervals and scores of few values.

Sources: Efron & Tibshirani 1993, chapter 13 (percentile bootstrap); Agarwal et al. 2021, "Deep
Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264), section 4
(interquartile mean); Zou & Donner 2008 (MOVER: the interval of a difference).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

CONFIDENCE = 0.95
N_RESAMPLES = 10_000
_MAX_VALUES_IN_MEMORY = 2**21  # 16 MB: demonstrations may have many thousand episodes

Values = Sequence[float] | np.ndarray


def mean(values: Values) -> float:
    """The mean; NaN, without a warning, where there are no values."""
    return float(np.mean(values)) if len(values) else math.nan


def interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of the middle half along an axis.

    A quarter of the values, rounded down, goes at each end: with fewer than four it is the mean.

    Args:
        values: n values along `axis`, n at least 1, finite.
        axis: Which one.

    Returns:
        An array without that axis.
    """
    n = values.shape[axis]
    cut = n // 4
    if cut == 0:
        return values.mean(axis=axis)
    ordered = np.moveaxis(np.sort(values, axis=axis), axis, -1)
    return ordered[..., cut : n - cut].mean(axis=-1)


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[..., np.ndarray] = interquartile_mean,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile-bootstrap interval of a statistic over the last axis.

    Values are drawn with replacement; each draw is used at every place of the other axes, which
    keeps the points of a learning curve together. With fewer than about ten values the interval is
    too narrow.

    Args:
        values: (..., n), finite.
        statistic: Takes an array and `axis`.
        n_resamples: Draws.
        seed: The same seed and values give the same interval.

    Returns:
        Lower and upper ends, (...) each; NaN for fewer than two values.
    """
    if values.shape[-1] < 2:
        unknown = np.full(values.shape[:-1], math.nan)
        return unknown, unknown
    from scipy import stats  # late: it takes a second

    interval = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=n_resamples,
        axis=-1,
        batch=max(1, _MAX_VALUES_IN_MEMORY // values.size),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def interval_of_two(
    first: Values,
    second: Values,
    statistic: Callable[..., np.ndarray],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of a statistic of two independent samples.

    Args:
        first: (n,), n at least 2.
        second: (m,), m at least 2.
        statistic: Takes both and `axis`; has to broadcast over the other axes.
        n_resamples: Draws.
        seed: The same seed and values give the same interval.

    Returns:
        Lower and upper end; NaN where a sample has fewer than two values.
    """
    if min(len(first), len(second)) < 2:
        return math.nan, math.nan
    from scipy import stats  # late: it takes a second

    interval = stats.bootstrap(
        (np.asarray(first, dtype=float), np.asarray(second, dtype=float)),
        statistic,
        n_resamples=n_resamples,
        batch=max(1, _MAX_VALUES_IN_MEMORY // (len(first) * len(second))),
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def difference_of_iqm(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    """Interquartile mean of the first sample minus that of the second."""
    return interquartile_mean(first, axis) - interquartile_mean(second, axis)


def probability_of_improvement(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
    """How often a value of the first sample exceeds one of the second; ties count one half.

    The Mann-Whitney U statistic as a share (Agarwal et al. 2021, section 4.3), for one task.
    """
    x, y = np.moveaxis(first, axis, -1), np.moveaxis(second, axis, -1)
    wins = np.sign(x[..., :, None] - y[..., None, :])
    return 0.5 + 0.5 * wins.mean(axis=(-2, -1))


def performance_profile(scores: Values, thresholds: np.ndarray) -> np.ndarray:
    """The share of runs (m,) whose score exceeds each threshold (m,).

    The run-score distribution of Agarwal et al. 2021, section 4.2, for one task.
    """
    return (np.asarray(scores)[:, None] > thresholds[None, :]).mean(axis=0)


def confidence_interval(values: Values) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the mean; (nan, nan) for fewer than two values.

    Returns are often far from normal (a failed episode among perfect ones), which is why this is
    no t-interval. The same values give the same interval.
    """
    low, high = bootstrap_interval(np.asarray(values, dtype=float), np.mean)
    return float(low), float(high)


def lead(above: Values, below: Values) -> tuple[float, float]:
    """By how much one mean exceeds another, and the half-width of its interval towards 0.

    The interval of the difference is put together from the 95 % intervals of the two means
    (MOVER). A single value counts as exact.

    Returns:
        Difference of the means and how much of it may be noise; NaN without values.
    """
    downwards = mean(above) - confidence_interval(above)[0]
    upwards = confidence_interval(below)[1] - mean(below)
    noise = math.hypot(np.nan_to_num(downwards), np.nan_to_num(upwards))
    return mean(above) - mean(below), noise


def normalized_score(learner: float, random: float, expert: float) -> float:
    """0 for the random policy's mean return, 1 for the expert's; NaN unless the expert's is higher.

    Where the expert is no better than random actions there is no scale: the quotient would grow
    with how bad the learner is.
    """
    return (learner - random) / (expert - random) if expert > random else math.nan

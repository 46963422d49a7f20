"""Statistics over seeds that stay honest with few of them.

Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (arXiv 2108.13264), section 4: interquartile mean, and percentile-bootstrap intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
N_RESAMPLES = 10_000
_VALUES_AT_A_TIME = 2**21  # 16 MB
_CUT = 0.25  # of the values at each end


@dataclass(frozen=True)
class Summary:
    """One number of a group, over its seeds; NaN for what so few seeds do not tell.

    Attributes:
        n: Seeds that have the number.
        mean: Their mean.
        std: Sample standard deviation (n - 1 in the denominator); NaN for one seed.
        iqm: Interquartile mean.
        low: Lower end of its 95 % interval; NaN for one seed.
        high: Upper end.
        values: The numbers themselves.
    """

    n: int
    mean: float
    std: float
    iqm: float
    low: float
    high: float
    values: tuple[float, ...] = ()


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half along the last axis.

    A quarter of the values, rounded down, goes at each end: with fewer than four it is the mean.

    Args:
        values: (..., n), n at least 1, finite.

    Returns:
        (...).
    """
    cut = int(_CUT * values.shape[-1])
    if cut == 0:
        return values.mean(axis=-1)
    middle = np.sort(values, axis=-1)[..., cut:-cut]
    return middle.mean(axis=-1)


def bootstrap_interval(
    values: np.ndarray, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile-bootstrap interval of the interquartile mean over the last axis.

    Seeds are drawn with replacement; each draw is used at every place of the other axes, which
    keeps the points of a learning curve together. With fewer than about ten seeds the interval is
    too narrow (Efron & Tibshirani 1993, chapter 13), and with one it has no width at all.

    Args:
        values: (..., n), n at least 1, finite.
        n_resamples: Draws.
        seed: The same seed and values give the same interval.

    Returns:
        Lower and upper ends, (...) each.
    """
    n = values.shape[-1]
    rows = values.reshape(-1, n)
    rng = np.random.default_rng(seed)
    at_once = max(1, _VALUES_AT_A_TIME // (n * len(rows)))
    drawn = [
        interquartile_mean(rows[:, rng.integers(n, size=(min(at_once, n_resamples - done), n))])
        for done in range(0, n_resamples, at_once)
    ]
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(drawn, axis=1), tails, axis=1)
    return low.reshape(values.shape[:-1]), high.reshape(values.shape[:-1])


def summarise(values: Sequence[float], *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Summary:
    """Mean, spread and interquartile mean with its interval of the values that are finite."""
    known = np.array([value for value in values if math.isfinite(value)], dtype=float)
    n = len(known)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    std = low = high = math.nan
    if n > 1:
        std = float(np.std(known, ddof=1))
        low, high = map(float, bootstrap_interval(known, n_resamples=n_resamples, seed=seed))
    iqm = float(interquartile_mean(known))
    return Summary(n, float(known.mean()), std, iqm, low, high, tuple(known.tolist()))


def censored_median(values: Sequence[float]) -> float:
    """The median of times, where infinity stands for "not within the run".

    Leaving those runs out would make the slow ones look fast. Infinity if half of the runs or
    more did not get there; NaN without values.
    """
    if not len(values):
        return math.nan
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2

"""Learning curves of whole groups: interquartile means over seeds, on few enough points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airl_cli.reporting.report.curve import Curve
from airl_cli.reporting.report.groups import Group
from airl_cli.reporting.report.record import FINISHED
from airl_cli.reporting.report.statistics import bootstrap_interval, interquartile_mean

MOST_POINTS = 120
_MOST_RESAMPLES, _LEAST_RESAMPLES = 1_000, 200
_MOST_DRAWS = 2e7


@dataclass(frozen=True)
class GroupCurve:
    """True return of a group while it learned.

    Attributes:
        steps: Environment steps (n,).
        middle: Interquartile mean over seeds (n,).
        low: Lower end of its 95 % bootstrap interval (n,); NaN for one seed.
        high: Upper end.
        n_seeds: Runs.
        finished: Whether they all finished.
    """

    steps: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_seeds: int
    finished: bool


def group_curve(group: Group, *, seed: int = 0) -> GroupCurve | None:
    """The curve of a group's finished runs, or else of those that have begun; None without any.

    It covers the steps for which every finished run has a return; of unfinished ones, those for
    which half of them have, so that one that has just begun does not hide the others.

    Args:
        group: Of equal configs.
        seed: Of the bootstrap.
    """
    counted = [run.curve for run in group.counted if run.curve]
    begun = [run.curve for run in group.runs if run.curve and run.state != FINISHED]
    finished = any(len(curve.steps) for curve in counted)
    curves = [binned(curve) for curve in (counted if finished else begun) if len(curve.steps)]
    if not curves:
        return None
    if not finished:
        ends = sorted((curve.steps[-1] for curve in curves), reverse=True)
        end = ends[(len(ends) - 1) // 2]
        curves = [curve for curve in curves if curve.steps[-1] >= end]
    steps = _common_steps(curves)
    returns = np.stack([np.interp(steps, c.steps, c.returns) for c in curves], axis=-1)
    low = high = np.full(len(steps), np.nan)
    if len(curves) > 1:
        draws = _MOST_DRAWS / returns.size
        low, high = bootstrap_interval(
            returns,
            n_resamples=int(np.clip(draws, _LEAST_RESAMPLES, _MOST_RESAMPLES)),
            seed=seed,
        )
    return GroupCurve(steps, interquartile_mean(returns), low, high, len(curves), finished)


def binned(curve: Curve, n_bins: int = MOST_POINTS) -> Curve:
    """A long curve as means over equal stretches of steps; a short one as it is."""
    if len(curve.steps) <= n_bins:
        return curve
    edges = np.linspace(curve.steps[0], curve.steps[-1], n_bins + 1)
    bins = np.clip(np.searchsorted(edges, curve.steps, side="right") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = counts > 0

    def means(values: np.ndarray) -> np.ndarray:
        return np.bincount(bins, values, minlength=n_bins)[filled] / counts[filled]

    return Curve(means(curve.steps), means(curve.returns), means(curve.seconds))


def _common_steps(curves: Sequence[Curve]) -> np.ndarray:
    """Steps within all curves: those of the first where they agree, else evenly spaced ones."""
    first = curves[0].steps
    if all(np.array_equal(curve.steps, first) for curve in curves[1:]):
        return first
    start = max(curve.steps[0] for curve in curves)
    end = min(curve.steps[-1] for curve in curves)
    if end <= start:
        return np.array([min(start, end)])
    inside = np.unique(np.concatenate([c.steps for c in curves]))
    inside = inside[(inside >= start) & (inside <= end)]
    return inside if len(inside) <= MOST_POINTS else np.linspace(start, end, MOST_POINTS)

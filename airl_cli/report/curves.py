"""Learning curves of groups: interquartile means over seeds, and their plot.

The plot is readable in black and white.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from airl_cli.evaluation.plots import new_figure, save
from airl_cli.evaluation.statistics import bootstrap_interval, interquartile_mean
from airl_cli.report.groups import Group
from airl_cli.report.metrics import Curve
from airl_cli.report.record import FINISHED, RunRecord
from airl_cli.report.rows import Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 120
_MOST_RESAMPLES, _LEAST_RESAMPLES = 1_000, 200
_MOST_DRAWS = 2e7

# Okabe and Ito's colours, which most people can tell apart, from dark to light; strokes and
# markers differ as well, for those who cannot and for paper without colours.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
_STROKES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_CURVES, MOST_PANELS = 8, 12
_PANEL = (6.4, 3.9)  # inches


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


@lru_cache(1_000)  # page and picture draw the same ones
def group_curve(group: Group, *, seed: int = 0, column: str = "") -> GroupCurve | None:
    """The curve of a group's finished runs, or else of those that have begun; None without any.

    It covers the steps for which every finished run has a return; of unfinished ones, those for
    which half of them have, so that one that has just begun does not hide the others.

    Args:
        group: Of equal configs.
        seed: Of the bootstrap.
        column: Of `metrics.FURTHER`, in place of the true return.
    """
    counted = _curves(group.counted, column)
    begun = _curves([run for run in group.runs if run.state != FINISHED], column)
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


def _curves(runs: Sequence[RunRecord], column: str) -> list[Curve]:
    curves = [run.curve for run in runs if run.curve]
    return [curve.of(column) for curve in curves] if column else curves


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


def draw_learning_curves(report: Report, path: str | Path) -> bool:
    """True return over environment steps, a panel for each environment.

    Lines are interquartile means over seeds, shaded are their 95 % intervals. Of many groups the
    eight best of a panel are drawn, and of many panels the first twelve; the titles say so.

    Returns:
        False, and no file, where no run has completed an episode.
    """
    panels = {}
    for (command, env_id), rows in list(report.panels.items())[:MOST_PANELS]:
        curves = drawn(report, rows, MOST_CURVES)
        if curves:
            title = env_id if command == "train" else f"{env_id} ({command})"
            panels[title] = curves, len(rows)
    if not panels:
        return False
    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure = new_figure(_PANEL[0] * n_columns, _PANEL[1] * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, (title, (curves, n)) in zip(axes, panels.items(), strict=False):
        _draw_panel(ax, curves, title if n <= len(curves) else f"{title}: {len(curves)} of {n}")
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    save(figure, path)
    return True


def drawn(
    report: Report, rows: Sequence[Row], most: int, column: str = ""
) -> list[tuple[Row, GroupCurve]]:
    """The rows that a picture has room for and that have a curve; rows come best first."""
    seed = report.options.seed
    pairs = ((row, group_curve(row.group, seed=seed, column=column)) for row in rows)
    known = ((row, curve) for row, curve in pairs if curve is not None)
    return list(islice(known, most))


def reference_levels(rows: Sequence[Row]) -> dict[str, float]:
    """Mean returns of the expert and of random actions, over the groups that know them.

    Different experts have a level each, which names the groups that learned from it.
    """
    experts: dict[object, list[Row]] = {}
    for row in rows:
        if np.isfinite(row.expert):
            experts.setdefault(row.group.runs[0].expert, []).append(row)
    levels = {}
    for users in experts.values():
        numbers = ", ".join(str(row.number) for row in users)
        name = "expert" if len(experts) == 1 else f"expert of {numbers}"
        levels[name] = float(np.mean([row.expert for row in users]))
    random = [row.random for row in rows if np.isfinite(row.random)]
    return {**levels, "random": float(np.mean(random))} if random else levels


def _draw_panel(ax: Axes, curves: Sequence[tuple[Row, GroupCurve]], title: str) -> None:
    for n, (row, curve) in enumerate(curves):
        colour = COLOURS[n % len(COLOURS)]
        seeds = "1 seed" if curve.n_seeds == 1 else f"{curve.n_seeds} seeds"
        state = "" if curve.finished else ", unfinished"
        ax.plot(
            curve.steps,
            curve.middle,
            color=colour,
            linestyle=_STROKES[n % len(_STROKES)],
            linewidth=1.6,
            marker=_MARKERS[n % len(_MARKERS)],
            markersize=4,
            markevery=(n / 80, 0.1) if len(curve.steps) > 12 else None,
            markerfacecolor="white",
            label=_plain(f"{row.number}  {_cut(row.label, 60)} ({seeds}{state})"),
        )
        if curve.n_seeds > 1:
            ax.fill_between(
                curve.steps, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0
            )
    for name, level in reference_levels([row for row, _ in curves]).items():
        ax.axhline(level, color="0.45", linewidth=1, linestyle=":" if name == "random" else "--")
        ax.annotate(
            name,
            (1, level),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize="small",
            color="0.35",
        )
    ax.set_title(_plain(_cut(title)), fontsize="medium")
    ax.set_xlabel("environment steps")
    ax.set_ylabel("true return per episode")
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    ax.set_xlim(left=0)
    ax.margins(y=0.08)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.16), borderpad=0
    )


def _cut(text: str, longest: int = 70) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _plain(text: str) -> str:
    """Text that Matplotlib does not take for mathematics, nor for a label to hide."""
    return f"\u200b{text}".replace("$", r"\$")

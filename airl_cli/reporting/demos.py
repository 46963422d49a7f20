"""Recordings as tables and plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from airl_cli.data.validate import lengths_of, returns_of
from airl_cli.evaluation.tables import number
from airl_cli.files import atomic_write

if TYPE_CHECKING:
    from airl_cli.data.formats import Recording
    from airl_cli.data.summary import Range, Summary
    from airl_cli.data.types import Trajectory
    from airl_cli.experts.check import Fit

_MOST_ROWS = 24
_MOST_VALUES = 12
_DIMENSIONS, _EPISODES = 4, 5  # drawn
_STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))


def info_tables(recording: Recording, summary: Summary) -> list[Table]:
    """A table about the episodes and one about the values in them."""
    from airl_cli.data.spaces import describe

    facts = _facts(f"{recording.source}")
    facts.add_row("format", recording.format)
    facts.add_row("SHA-256", recording.sha256)
    facts.add_row("checksums", "compared" if recording.verified else "the format has none")
    facts.add_row("episodes", f"{len(summary.lengths):,}")
    facts.add_row("transitions", f"{int(summary.lengths.sum()):,}")
    facts.add_row("length", _spread(summary.lengths, ",.0f"))
    facts.add_row("return", _spread(summary.returns) if len(summary.returns) else "unknown")
    facts.add_row("terminal ends", f"{summary.terminal:.0%}")
    facts.add_row("observations", f"{summary.obs_dtype} {summary.obs_shape}")
    shown = f"{summary.act_dtype} {summary.act_shape}" if summary.acts else "none are known"
    facts.add_row("actions", shown)
    for name, space in (
        ("observation space", recording.observation_space),
        ("action space", recording.action_space),
    ):
        if space is not None:
            facts.add_row(name, describe(space))
    verdict = {True: "yes", False: "no", None: "cannot be told"}[summary.looks_deterministic]
    facts.add_row(
        "deterministic actions",
        f"{verdict} (in neighbouring states they differ by {summary.disagreement:.0%} of chance)"
        if math.isfinite(summary.disagreement)
        else "cannot be told",
    )
    return [facts, _values(summary)]


def check_table(source: str, env_id: str, fit: Fit) -> Table:
    """How a recording and an environment go together."""
    table = _facts(f"{source} in {env_id}")
    table.add_row("shapes, types, actions", f"fit, in {fit.n_episodes:,} episodes")
    shortest, longest = fit.lengths
    span = str(shortest) if shortest == longest else f"{shortest} to {longest}"
    limit = "none" if fit.limit is None else str(fit.limit)
    table.add_row("horizon", f"{span} steps, the environment's limit is {limit}")
    at_limit = f", {fit.terminal_at_limit:,} of them at the limit" if fit.terminal_at_limit else ""
    table.add_row("terminal ends", f"{fit.terminal:,} of {fit.n_episodes:,}{at_limit}")
    table.add_row("observations outside", f"{fit.outside:.1%}")
    table.add_row(
        "dynamics",
        f"{fit.replay.fraction:.1%} of {fit.replay.tried} transitions reproduced"
        if fit.replay.tried
        else fit.replay.reason,
    )
    for warning in fit.warnings:
        table.add_row("warning", warning)
    return table


def plot(trajectories: Sequence[Trajectory], path: str | Path) -> None:
    """Histograms of returns and lengths, and the first state dimensions over time, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first = trajectories[0]
    n_dimensions = min(_DIMENSIONS, int(np.prod(first.obs.shape[1:])))
    figure = Figure(figsize=(8.0, 2.6 + 1.4 * n_dimensions), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    top, below = np.asarray(figure.subfigures(2, 1, height_ratios=[2.6, 1.4 * n_dimensions]))
    left, right = top.subplots(1, 2)
    returns = returns_of(trajectories)
    if len(returns):
        _histogram(left, returns, "true return of an episode")
    else:
        left.text(0.5, 0.5, "rewards unknown", ha="center", va="center")
        left.set_axis_off()
    _histogram(right, lengths_of(trajectories), "steps of an episode")
    axes = below.subplots(n_dimensions, 1, sharex=True, squeeze=False)[:, 0]
    for number_, episode in enumerate(trajectories[:_EPISODES]):
        states = episode.obs.reshape(len(episode.obs), -1)
        for dimension, ax in enumerate(axes):
            ax.plot(
                states[:, dimension],
                linestyle=_STYLES[number_],
                color=str(0.15 * number_),
                linewidth=1.0,
                label=f"episode {number_}",
            )
    for dimension, ax in enumerate(axes):
        ax.set_ylabel(f"obs[{dimension}]")
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("step of the episode")
    below.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside right upper")
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _histogram(axes, values: np.ndarray, name: str) -> None:  # type: ignore[no-untyped-def]
    axes.hist(values, bins=min(30, max(5, len(values))), color="0.6", edgecolor="black")
    axes.set_xlabel(name)
    axes.set_ylabel("episodes")
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.get_major_locator().set_params(integer=True)


def _facts(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return table


def _spread(values: np.ndarray, form: str = ",.1f") -> str:
    shown = (number(float(f(values)), form) for f in (np.mean, np.std, np.min, np.max))
    return "{} ± {}, from {} to {}".format(*shown)


def _values(summary: Summary) -> Table:
    table = Table(title="Values", title_justify="left")
    table.add_column("")
    for heading in ("min", "max", "mean", "std", "share"):
        table.add_column(heading, justify="right")
    images = len(summary.obs) == 1 and len(summary.obs_shape) > 1
    _add_ranges(table, "obs" + ("" if not images else " (all pixels)"), summary.obs)
    if summary.counts and len(summary.counts) <= _MOST_VALUES:
        total = sum(summary.counts.values())
        for value, count in sorted(summary.counts.items()):
            table.add_row(f"action {value}", "", "", "", "", f"{count / total:.1%}")
    else:
        _add_ranges(table, "acts", summary.acts)
    return table


def _add_ranges(table: Table, name: str, ranges: Sequence[Range]) -> None:
    for index, values in enumerate(ranges[:_MOST_ROWS]):
        label = name if len(ranges) == 1 else f"{name}[{index}]"
        table.add_row(label, *_numbers((values.low, values.high, values.mean, values.std)), "")
    if len(ranges) > _MOST_ROWS:
        table.add_row(f"... {len(ranges) - _MOST_ROWS} more", "", "", "", "", "")


def _numbers(values: Iterable[float]) -> list[str]:
    return [number(value, ".4g") for value in values]

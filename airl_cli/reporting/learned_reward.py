"""What a learned reward looks like: a map of it, and its distances to the true one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from airl_cli.reporting.table import number
from airl_cli.serialization import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

    from airl_cli.rewards.compare import Comparison

_DPI = 130
_STYLES = ("-", "--", ":")
_MARKERS = ("o", "s", "^")


def heat_map(
    panels: Mapping[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    labels: Sequence[str],
    paths: Mapping[str, np.ndarray],
    path: str | Path,
) -> None:
    """Rewards over two dimensions of the state, one panel each, in shades of grey.

    Lighter is more. Unreachable places are hatched. Episodes run over the map as lines that
    differ by stroke, with a marker where each begins.

    Args:
        panels: By title, rewards (len(y), len(x)); NaN where a state cannot be reached.
        x: Coordinates of the columns.
        y: Coordinates of the rows.
        labels: Names of the two axes.
        paths: By name, the two coordinates (T, 2) along an episode.
        path: PNG file to write.
    """
    # Late and without pyplot, as in `plots`.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.6), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (title, rewards) in zip(all_axes, panels.items(), strict=True):
        axes.patch.set(facecolor="white", edgecolor="0.6", hatch="///")
        mesh = axes.pcolormesh(x, y, np.ma.masked_invalid(rewards), cmap="gray", shading="nearest")
        figure.colorbar(mesh, ax=axes, label="reward per step")
        _draw_paths(axes, paths)
        axes.set_title(title)
        axes.set_xlabel(labels[0])
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
    all_axes[0].set_ylabel(labels[1])
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    with atomic_write(path) as file:
        figure.savefig(file, format="png")


def _draw_paths(axes: Axes, paths: Mapping[str, np.ndarray]) -> None:
    """Black strokes with a white edge: to be seen on every grey."""
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=3.5, foreground="white")]
    for (name, points), style, marker in zip(paths.items(), _STYLES, _MARKERS, strict=False):
        axes.plot(
            points[:, 0],
            points[:, 1],
            style,
            color="black",
            linewidth=1.3,
            marker=marker,
            markevery=[0],
            markerfacecolor="white",
            label=name,
            path_effects=edge,
        )


def comparison_table(comparisons: Mapping[str, Comparison], distribution: str) -> Table:
    """Distances to the true reward, a row for each reward.

    Args:
        comparisons: By the reward's name.
        distribution: Of the transitions, in words.
    """
    from rich.table import Table

    table = Table(title=f"Learned against true reward: {distribution}", title_justify="left")
    table.add_column("reward")
    for heading in ("Pearson", "Pearson after canonicalisation", "EPIC distance"):
        table.add_column(heading, justify="right")
    for name, found in comparisons.items():
        values = (found.pearson, found.pearson_canonical, found.epic_distance)
        table.add_row(name, *(number(value, ".3f") for value in values))
    return table

"""Learning curves as a picture, readable in black and white."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from airl_cli.files import atomic_write
from airl_cli.reporting.report.curves import GroupCurve
from airl_cli.reporting.report.rows import Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which most people can tell apart, from dark to light; strokes and
# markers differ as well, for those who cannot and for paper without colours.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
_STROKES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 3)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_CURVES, MOST_PANELS = 8, 12
_PANEL = (6.4, 3.9)  # inches
_DPI = 130


def learning_curves(report: Report, path: str | Path) -> bool:
    """True return over environment steps, a panel for each environment.

    Lines are interquartile means over seeds, shaded are their 95 % intervals. Of many groups the
    eight best of a panel are drawn, and of many panels the first twelve; the picture says so.

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
    # Late and without pyplot, as in `plots`.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n_columns = min(2, len(panels))
    n_rows = -(-len(panels) // n_columns)
    size = _PANEL[0] * n_columns, _PANEL[1] * n_rows
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, (title, (curves, n)) in zip(axes, panels.items(), strict=False):
        _draw_panel(ax, curves, title if n <= len(curves) else f"{title}: {len(curves)} of {n}")
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
    return True


def drawn(report: Report, rows: Sequence[Row], most: int) -> list[tuple[Row, GroupCurve]]:
    """The rows that a picture has room for and that have a curve; rows come best first."""
    pairs = ((row, report.curve(row)) for row in rows)
    known = ((row, curve) for row, curve in pairs if curve is not None)
    return list(islice(known, most))


def reference_levels(rows: Sequence[Row]) -> dict[str, float]:
    """Mean returns of the expert and of random actions, over the groups that know them."""
    levels = {}
    for name in ("expert", "random"):
        known = [getattr(row, name) for row in rows if np.isfinite(getattr(row, name))]
        if known:
            levels[name] = float(np.mean(known))
    return levels


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
        ax.axhline(level, color="0.45", linewidth=1, linestyle="--" if name == "expert" else ":")
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

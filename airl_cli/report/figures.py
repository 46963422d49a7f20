"""Interactive figures, as Plotly's JSON."""

from __future__ import annotations

import html
import json
import textwrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from airl_cli.evaluation.statistics import performance_profile
from airl_cli.report.curves import COLOURS, GroupCurve, drawn, reference_levels
from airl_cli.report.metrics import FURTHER
from airl_cli.report.rows import Report, Row
from airl_cli.report.table import interval_text, return_text, score_text

MOST_CURVES = 24
"""Of a panel: more cannot be told apart, and every point makes the page larger."""

MOST_PANELS = 24
MOST_FURTHER_CURVES, MOST_FURTHER_PANELS = 6, 6
_CURVES = "those that have completed an episode, best scores first"
_SCORES = "those with a score, best first"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")
_INK, _GRID = "#1f2933", "#e4e7eb"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def learning_curves(report: Report) -> list[dict[str, Any]]:
    """A figure for each environment: `title`, `note` and Plotly's `figure`."""
    figures = []
    for (command, env_id), rows in list(report.panels.items())[:MOST_PANELS]:
        curves = drawn(report, rows, MOST_CURVES)
        if not curves:
            continue
        figure = _figure("environment steps", "true return per episode", 400)
        for n, (row, curve) in enumerate(curves):
            _add_curve(figure, n, row, curve)
        for name, level in reference_levels([row for row, _ in curves]).items():
            figure.add_hline(
                level,
                line={
                    "color": "#616e7c",
                    "width": 1,
                    "dash": "dot" if name == "random" else "dash",
                },
                annotation={"text": name, "font": {"size": 12, "color": "#616e7c"}},
                annotation_position="top right",
            )
        figure.update_xaxes(rangemode="tozero", tickformat=",")
        if len(curves) > 1:
            _add_legend(figure, [row for row, _ in curves], 410)
        figures.append(_entry(command, env_id, len(rows), len(curves), _CURVES, figure))
    return figures


def further_curves(report: Report) -> list[dict[str, Any]]:
    """A figure for each environment and column of `FURTHER` in which something changes."""
    figures = []
    for (command, env_id), rows in list(report.panels.items())[:MOST_FURTHER_PANELS]:
        for column, meaning in FURTHER.items():
            curves = drawn(report, rows, MOST_FURTHER_CURVES, column)
            if not any(np.ptp(curve.middle) for _, curve in curves):
                continue
            figure = _figure("environment steps", meaning, 320)
            for n, (row, curve) in enumerate(curves):
                _add_curve(figure, n, row, curve, meaning)
            figure.update_xaxes(rangemode="tozero", tickformat=",")
            if len(curves) > 1:
                _add_legend(figure, [row for row, _ in curves], 330)
            figures.append(_entry(command, env_id, len(rows), len(curves), _CURVES, figure))
            figures[-1]["title"] += f": {meaning}"
    return figures


def scores(report: Report) -> list[dict[str, Any]]:
    """Final normalised scores: every seed, and interquartile means with their intervals."""
    figures = []
    for (command, env_id), rows in list(report.panels.items())[:MOST_PANELS]:
        known = [row for row in rows if row.scores.n][:MOST_CURVES]
        if not known:
            continue
        names = [f"{row.number}  {_text(row.label)}" for row in known]
        height = 100 + sum(28 + 16 * name.count("<br>") for name in names)
        figure = _figure("normalised score (0: random actions, 1: expert)", "", height)
        figure.add_trace(_seeds(known, names))
        figure.add_trace(_intervals(known, names))
        for level, dash in ((0, "dot"), (1, "dash")):
            figure.add_vline(level, line={"color": "#616e7c", "width": 1, "dash": dash})
        figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
        figures.append(_entry(command, env_id, len(rows), len(known), _SCORES, figure))
    return figures


def profiles(report: Report) -> list[dict[str, Any]]:
    """Performance profiles of the groups with several seeds: shares of runs above each score."""
    figures = []
    for (command, env_id), rows in list(report.panels.items())[:MOST_PANELS]:
        known = [row for row in rows if row.scores.n > 1][:MOST_CURVES]
        if len(known) < 2:
            continue
        everything = [value for row in known for value in row.scores.values]
        thresholds = np.linspace(min(0.0, *everything), max(1.0, *everything), 201)
        figure = _figure("score", "share of seeds above it", 380)
        for n, row in enumerate(known):
            figure.add_trace(
                go.Scatter(
                    x=_rounded(thresholds),
                    y=_rounded(performance_profile(row.scores.values, thresholds)),
                    name=f"{row.number}  {_text(row.label)} ({row.scores.n} seeds)",
                    mode="lines",
                    line={
                        "color": COLOURS[n % len(COLOURS)],
                        "width": 2,
                        "dash": _DASHES[n % len(_DASHES)],
                        "shape": "hv",
                    },
                    hovertemplate="%{y:.0%} of the seeds above %{x:.3f}",
                )
            )
        figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%")
        _add_legend(figure, known, 390)
        figures.append(_entry(command, env_id, len(rows), len(known), _SCORES, figure))
    return figures


def _add_legend(figure: go.Figure, rows: list[Row], height: int) -> None:
    """A legend below the axes, with room for all of its lines."""
    n_lines = sum(_text(row.label).count("<br>") + 1 for row in rows)
    figure.update_layout(showlegend=True, height=height + 19 * n_lines)
    figure.update_layout(margin={"b": 64 + 19 * n_lines})


def _entry(
    command: str, env_id: str, n: int, shown: int, what: str, figure: go.Figure
) -> dict[str, Any]:
    return {
        "title": env_id if command == "train" else f"{env_id} ({command})",
        "note": f"Drawn are {shown} of {n} groups: {what}." if shown < n else "",
        "figure": json.loads(figure.to_json()),
    }


def _add_curve(
    figure: go.Figure, n: int, row: Row, curve: GroupCurve, what: str = "return"
) -> None:
    colour, name = COLOURS[n % len(COLOURS)], f"{row.number}  {_text(row.label)}"
    seeds = "1 seed" if curve.n_seeds == 1 else f"{curve.n_seeds} seeds"
    seeds += "" if curve.finished else ", unfinished"
    steps = _rounded(curve.steps)
    ends, interval = None, ""
    if curve.n_seeds > 1:
        low, high = _rounded(curve.low), _rounded(curve.high)
        ends = list(zip(low, high, strict=True))
        interval = "<br>95 % interval [%{customdata[0]:,.4~g}, %{customdata[1]:,.4~g}]"
        figure.add_trace(
            go.Scatter(
                x=steps + steps[::-1],
                y=high + low[::-1],
                fill="toself",
                fillcolor=_transparent(colour),
                line={"width": 0},
                hoverinfo="skip",
                legendgroup=str(n),
                showlegend=False,
                mode="lines",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=steps,
            y=_rounded(curve.middle),
            customdata=ends,
            name=f"{name} ({seeds})",
            legendgroup=str(n),
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": _DASHES[n % len(_DASHES)]},
            marker={
                "symbol": _SYMBOLS[n % len(_SYMBOLS)],
                "size": 6,
                "color": "white",
                "line": {"color": colour, "width": 1.5},
                "maxdisplayed": 12,
            },
            hovertemplate=(
                f"<b>{name}</b><br>%{{x:,.0f}} steps<br>IQM of the {what} %{{y:,.4~g}}"
                f"{interval}<br>{seeds}<extra></extra>"
            ),
        )
    )


def _seeds(rows: list[Row], names: list[str]) -> go.Scatter:
    pairs = [
        (value, name) for row, name in zip(rows, names, strict=True) for value in row.scores.values
    ]
    return go.Scatter(
        x=[round(value, 4) for value, _ in pairs],
        y=[name for _, name in pairs],
        mode="markers",
        name="seeds",
        marker={"symbol": "line-ns", "size": 12, "line": {"color": "#9aa5b1", "width": 1.5}},
        hovertemplate="one seed: %{x:.3f}<extra></extra>",
    )


def _intervals(rows: list[Row], names: list[str]) -> go.Scatter:
    def width(end: float, row: Row) -> float:
        return abs(end - row.scores.iqm) if row.scores.n > 1 else 0.0

    return go.Scatter(
        x=[row.scores.iqm for row in rows],
        y=names,
        mode="markers",
        name="IQM and 95 % interval",
        marker={"size": 9, "color": _INK},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [width(row.scores.high, row) for row in rows],
            "arrayminus": [width(row.scores.low, row) for row in rows],
            "color": _INK,
            "thickness": 1.6,
            "width": 5,
        },
        customdata=[
            f"score {score_text(row.scores.iqm)} {interval_text(row.scores, score_text)}"
            f"<br>return {return_text(row.returns.iqm, row.returns)}"
            f"<br>{row.scores.n} {'seed' if row.scores.n == 1 else 'seeds'}"
            for row in rows
        ],
        hovertemplate="<b>%{y}</b><br>IQM: %{customdata}<extra></extra>",
    )


def _figure(x: str, y: str, height: int) -> go.Figure:
    axis = {
        "gridcolor": _GRID,
        "zeroline": False,
        "linecolor": "#9aa5b1",
        "ticks": "outside",
        "tickcolor": "#9aa5b1",
        "title": {"standoff": 12},
    }
    return go.Figure(
        layout=go.Layout(
            template=None,
            height=height,
            margin={"l": 72, "r": 24, "t": 32, "b": 56},
            font={"family": _FONT, "size": 13, "color": _INK},
            paper_bgcolor="white",
            plot_bgcolor="white",
            xaxis={**axis, "title": {"text": x, "standoff": 12}},
            yaxis={**axis, "title": {"text": y, "standoff": 8}},
            legend={"x": 0, "y": -0.19, "yanchor": "top", "itemsizing": "trace"},
            showlegend=False,
            hoverlabel={"align": "left", "bgcolor": "white", "font": {"color": _INK}},
            hovermode="closest",
        )
    )


def _text(text: str) -> str:
    """A label on at most three lines.

    Plotly takes tags for formatting; it gets none that it did not get from here.
    """
    lines = textwrap.wrap(text, 60, max_lines=3, placeholder=" …")
    return "<br>".join(html.escape(line) for line in lines)


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"

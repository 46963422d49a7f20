"""`report.html`: everything in one file that needs no network, and runs no script but its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airl_cli import __version__
from airl_cli.files import atomic_write
from airl_cli.report import figures
from airl_cli.report.formats import notes
from airl_cli.report.groups import MISSING, differing_keys, shown
from airl_cli.report.html import href, part, template
from airl_cli.report.record import RunRecord
from airl_cli.report.rows import Pair, Report
from airl_cli.report.run_page import write_run_pages
from airl_cli.report.table import Value, brief, pair_texts, return_text, score_text, summary
from airl_cli.runs import layout
from airl_cli.text import printable

_FILES = {
    "folder": ".",
    "result": layout.RESULT,
    "metrics": layout.METRICS,
    "config": layout.CONFIG,
    "curve": f"{layout.PLOTS}/learning_curve.png",
    "log": "train.log",
}
"""What the page links to in a run's directory, where it is there."""

_MOST_GROUPS_COMPARED = 60


def write_page(report: Report, path: Path, sources: Sequence[str]) -> None:
    """Writes the page, and one for each run (`run_page`) below `runs/` beside it.

    Texts go through Jinja's escaping, JSON through its own; a content security policy lets the
    browser run only the scripts that carry this page's random number, and load nothing.

    Args:
        report: What to show.
        path: The file; links to the runs are relative to it.
        sources: What was asked for.
    """
    from plotly.offline import get_plotlyjs  # late: it takes half a second

    pages = write_run_pages(report.runs, path)
    text = template("page.html").render(
        nonce=secrets.token_urlsafe(16),
        plotly=get_plotlyjs(),
        style=part("page.css"),
        script=part("page.js"),
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        sources=[printable(source) for source in sources],
        summary=summary(report),
        notes=notes(report),
        groups=_groups(report),
        curves=figures.learning_curves(report),
        further=figures.further_curves(report),
        scores=figures.scores(report),
        profiles=figures.profiles(report),
        pairs=[_pair(pair) for pair in report.pairs],
        differences=_differences(report),
        runs=_runs(report, path.parent, pages),
        failed_jobs=[
            (printable(str(job)), printable(reason)) for job, reason in report.failed_jobs.items()
        ],
    )
    with atomic_write(path) as file:
        file.write(text.encode())


def _cell(text: str, value: Value, numeric: bool) -> dict[str, Any]:
    """What a table shows, and what it sorts by: nothing, for what is not known."""
    main, bracket, rest = text, "", ""
    if numeric:
        main, bracket, rest = text.partition(" [" if " [" in text else " (")
    key = repr(value) if isinstance(value, (int, float)) else value
    return {
        "text": main,
        "below": f"{bracket.strip()}{rest}",
        "value": {"nan": "", "inf": "Infinity"}.get(key, key) if numeric else key,
        "numeric": numeric,
    }


def _groups(report: Report) -> dict[str, Any]:
    columns = brief(report)
    return {
        "header": [(column.title, column.numeric) for column in columns],
        "rows": [
            [_cell(c.text(row), c.value(row), c.numeric) for c in columns] for row in report.rows
        ],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    names, difference, probability = pair_texts(pair)
    return {
        "env_id": pair.first.group.env_id,
        "names": names,
        "measure": pair.measure,
        "difference": pair.difference,
        "difference_text": difference,
        "probability": pair.probability,
        "probability_text": probability,
    }


def _differences(report: Report) -> dict[str, Any]:
    rows = report.rows[:_MOST_GROUPS_COMPARED]
    groups = [row.group for row in rows]
    return {
        "groups": [(row.number, row.group.env_id, row.label) for row in rows],
        "n_more": len(report.rows) - len(rows),
        "keys": [
            (key, [shown(key, group.config.get(key)) for group in groups])
            for key in differing_keys(groups)
        ],
    }


def _runs(report: Report, folder: Path, pages: Mapping[Path, Path]) -> list[dict[str, Any]]:
    numbers = {run.path: row.number for row in report.rows for run in row.group.runs}
    repeats = {path: by for row in report.rows for path, by in row.group.repeats.items()}
    return [
        {
            "name": printable(str(run.path)),
            "href": href(pages[run.path], folder),
            "links": _links(run, folder),
            "group": numbers.get(run.path, ""),
            "env_id": run.env_id or MISSING,
            "seed": MISSING if run.seed is None else run.seed,
            "state": "repeated" if run.path in repeats else run.state,
            "reason": f"counted instead: {printable(str(repeats[run.path]))}"
            if run.path in repeats
            else run.reason,
            "cells": [
                _cell(return_text(returns), returns, True),
                _cell(score_text(run.score), run.score, True),
            ],
        }
        for run in report.runs
        for returns in [run.number("learner_return_mean")]
    ]


def _links(run: RunRecord, folder: Path) -> list[tuple[str, str]]:
    return [
        (name, href(run.path / file, folder))
        for name, file in _FILES.items()
        if (run.path / file).is_file() or file == "."
    ]

"""A page for each run of a report: its result, curves, plots, videos, config and log.

Everything of the run is received data: texts are escaped, curves drawn again from numbers, plots
and videos shown only where they are plain files that begin as PNG and MP4 do. The page has no
script, and its content security policy allows none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from airl_cli.errors import AirlError
from airl_cli.files import MAX_JSON_BYTES, read_json
from airl_cli.report.curves import binned
from airl_cli.report.html import href, part, template
from airl_cli.report.metrics import FURTHER, Curve
from airl_cli.report.record import RunRecord, config_text
from airl_cli.runs import layout
from airl_cli.text import printable

FOLDER = "runs"
"""Beside the report's page."""

_MOST_FILES, _MOST_VALUES = 24, 100
_LOG, _LOG_BYTES, _LOG_LINES = "train.log", 2**14, 40
_REWARD_MAP = "reward.png"
_PNG = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT = 320, 120


def write_run_pages(runs: Sequence[RunRecord], report: Path) -> dict[Path, Path]:
    """Writes a page for each run, in `runs/` beside the report's page.

    Args:
        runs: Of the report.
        report: Its page.

    Returns:
        The page of each run, by the run's directory.
    """
    folder = report.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    pages = {run.path: folder / f"{number}.html" for number, run in enumerate(runs, 1)}
    for run in runs:
        page = pages[run.path]
        text = template("run.html").render(
            style=part("page.css"),
            report=href(report, folder),
            name=printable(str(run.path)),
            run=run,
            overrides=[f"{key}={value}" for key, value in run.overrides.items()],
            result=_result(run),
            curves=[_chart(*named) for named in _curves(run)],
            plots=_plots(run.path, folder),
            videos=_files(run.path, layout.VIDEOS, ".mp4", folder),
            config=run.config,
            log=_log(run.path),
        )
        page.write_text(text, encoding="utf-8")
    return pages


def _result(run: RunRecord) -> list[tuple[str, str]]:
    path = run.path / layout.RESULT
    try:
        result = read_json(path, max_bytes=MAX_JSON_BYTES) if _is_ours(run.path, path) else {}
    except AirlError:
        return []
    plain = result.items() if isinstance(result, Mapping) else ()
    shown = [(printable(str(k)), printable(_number(v))) for k, v in plain if _is_plain(v)]
    return shown[:_MOST_VALUES]


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, (dict, list))


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else config_text(value)


def _curves(run: RunRecord) -> Iterator[tuple[str, Curve]]:
    """What a run has of true return and further columns, as far as it changes."""
    if run.curve is None:
        return
    named = [("true return per episode", run.curve)]
    named += [(meaning, run.curve.of(column)) for column, meaning in FURTHER.items()]
    for name, curve in named:
        if len(curve.steps) > 1 and np.ptp(curve.returns) > 0:
            yield name, binned(curve)


def _chart(name: str, curve: Curve) -> dict[str, Any]:
    """A curve as the points of an SVG polyline, with the ends of its axes."""
    low, high = float(curve.returns.min()), float(curve.returns.max())
    x = curve.steps / curve.steps[-1] * _WIDTH
    # Halves first: the distance between two large numbers may overflow.
    y = (high / 2 - curve.returns / 2) / (high / 2 - low / 2) * _HEIGHT
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if math.isfinite(b))
    last = float(curve.returns[-1])
    texts = {"low": low, "high": high, "last": last, "steps": float(curve.steps[-1])}
    return {"name": name, "points": points} | {k: f"{v:,.5g}" for k, v in texts.items()}


def _plots(run: Path, folder: Path) -> list[tuple[str, str]]:
    """The map of the reward first."""
    plots = _files(run, layout.PLOTS, ".png", folder)
    return sorted(plots, key=lambda plot: plot[0] != _REWARD_MAP)


def _files(run: Path, below: str, ending: str, folder: Path) -> list[tuple[str, str]]:
    """Names and links of the pictures or videos of a run."""
    try:
        found = sorted(path for path in (run / below).iterdir() if path.suffix == ending)
    except OSError:
        return []
    return [
        (printable(path.name), href(path, folder))
        for path in found[:_MOST_FILES]
        if _is_ours(run, path) and _begins_as(path, ending)
    ]


def _is_ours(run: Path, path: Path) -> bool:
    """Whether it is a plain file of the run, and reached by no link."""
    return path.is_file() and path.resolve() == run.resolve() / path.relative_to(run)


def _begins_as(path: Path, ending: str) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_PNG) if ending == ".png" else start[4:8] == b"ftyp"


def _log(run: Path) -> list[str]:
    """The last lines of its log."""
    path = run / _LOG
    if not _is_ours(run, path):
        return []
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            lines = file.read(_LOG_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [printable(line) for line in lines[-_LOG_LINES:]]

"""What `metrics.csv` says about the learning of one run."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from airl_cli.errors import InvalidValueError

_COLUMNS = ("env_steps", "true_return_mean", "seconds")
_NOTHING = np.empty(0)


@dataclass(frozen=True)
class Curve:
    """True returns while a run learned, for the rounds in which an episode ended.

    Attributes:
        steps: Environment steps so far (n,), increasing.
        returns: Mean true return of the episodes of a round (n,).
        seconds: Of training so far (n,); NaN where unknown.
    """

    steps: np.ndarray
    returns: np.ndarray
    seconds: np.ndarray

    @property
    def last_return(self) -> float:
        """The newest mean true return; NaN if no episode has ended."""
        return float(self.returns[-1]) if len(self.returns) else math.nan

    def first_reached(self, level: float) -> tuple[float, float]:
        """Steps and seconds of training at the end of the first round that reached a return.

        Infinite if none did; NaN if the level is unknown or there is nothing to look at.
        """
        if not len(self.returns) or not math.isfinite(level):
            return math.nan, math.nan
        reached = np.flatnonzero(self.returns >= level)
        if not len(reached):
            return math.inf, math.inf
        return float(self.steps[reached[0]]), float(self.seconds[reached[0]])


def read_curve(path: Path) -> Curve:
    """The columns of a `metrics.csv` that a report needs; other columns are not looked at.

    A last line that was cut off, because the run goes on or was killed, is left out.

    Raises:
        InvalidValueError: If the file is damaged; says why.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidValueError(f"{path.name} cannot be read: {error}") from error
    if not rows:
        return Curve(_NOTHING, _NOTHING, _NOTHING)
    header, *rows = rows
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        if not rows:  # the header itself is still being written
            return Curve(_NOTHING, _NOTHING, _NOTHING)
        raise InvalidValueError(f"{path.name} is damaged: it has no column {missing[0]}")
    if rows and len(rows[-1]) != len(header):
        rows.pop()
    indices = [header.index(name) for name in _COLUMNS]
    try:
        values = np.array([[_number(row[i]) for i in indices] for row in rows], dtype=float)
    except (ValueError, IndexError) as error:
        raise InvalidValueError(f"{path.name} is damaged: {error}") from error
    steps, returns, seconds = values.reshape(-1, len(_COLUMNS)).T
    if not np.all(np.isfinite(steps)) or np.any(np.diff(steps) <= 0):
        raise InvalidValueError(f"{path.name} is damaged: env_steps do not increase")
    known = np.isfinite(returns)
    return Curve(steps[known], returns[known], seconds[known])


def _number(cell: str) -> float:
    return float(cell) if cell else math.nan

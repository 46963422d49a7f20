"""What `metrics.csv` says about the learning of one run."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from airl_cli.errors import InvalidValueError

_CURVE_COLUMNS = ("env_steps", "true_return_mean", "seconds")

FURTHER: Mapping[str, str] = {
    "disc_acc": "accuracy of the discriminator",
    "disc_loss": "loss of the discriminator",
    "reward_scale": "scale of the learned reward",
    "absorbing_logit": "logit c of the absorbing state",
}
"""Further columns of `metrics.csv`, where a run has them, and what they are."""


@dataclass(frozen=True)
class Curve:
    """True returns while a run learned, for the rounds in which an episode ended.

    Attributes:
        steps: Environment steps so far (n,), increasing.
        returns: Mean true return of the episodes of a round (n,).
        seconds: Of training so far (n,); NaN where unknown.
        further: For every round, the steps (m,) and the columns of `FURTHER` that there are (m,).
    """

    steps: np.ndarray
    returns: np.ndarray
    seconds: np.ndarray
    further: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, column: str) -> Curve:
        """The rounds in which a further column has a value, with it in place of the returns."""
        if column not in self.further:
            return Curve(np.empty(0), np.empty(0), np.empty(0))
        values = self.further[column]
        known = np.isfinite(values)
        steps = self.further["env_steps"][known]
        return Curve(steps, values[known], np.full(len(steps), np.nan))

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
            lines = csv.reader(file)
            header = next(lines, [])
            names = [*_CURVE_COLUMNS, *(name for name in FURTHER if name in header)]
            values = np.array(list(_curve_rows(header, lines, names)), dtype=float)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidValueError(f"{path.name} cannot be read: {error}") from error
    except ValueError as error:
        raise InvalidValueError(f"{path.name} is damaged: {error}") from error
    steps, returns, seconds, *others = values.reshape(-1, len(names)).T
    known = np.isfinite(returns)  # none in behaviour cloning, which takes no steps
    if not np.all(np.isfinite(steps)) or np.any(np.diff(steps[known]) <= 0):
        raise InvalidValueError(f"{path.name} is damaged: env_steps do not increase")
    further = dict(zip(names[len(_CURVE_COLUMNS) :], others, strict=True))
    return Curve(steps[known], returns[known], seconds[known], {"env_steps": steps, **further})


def _curve_rows(
    header: list[str], lines: Iterator[list[str]], names: list[str]
) -> Iterator[list[float]]:
    """The numbers of the named columns, line by line.

    Raises:
        ValueError: If a column is missing, a cell is no number, or a line but the last is cut off.
    """
    missing = [name for name in names if name not in header]
    indices = [header.index(name) for name in names if name in header]
    cut_off = False
    for number, line in enumerate(lines, 2):
        if missing:
            raise ValueError(f"it has no column {missing[0]}")
        if cut_off:
            raise ValueError(f"line {number - 1} is cut off")
        cut_off = len(line) != len(header)
        if not cut_off:
            yield [_cell(line[i]) for i in indices]


def _cell(cell: str) -> float:
    return float(cell) if cell else math.nan

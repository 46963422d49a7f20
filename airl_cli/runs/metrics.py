"""`metrics.csv`, one row per round, on disk as soon as it is written; logs cut for a resume."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_write, read_regular
from airl_cli.runs import layout

Row = dict[str, float]

_EVENTS = "events.out.tfevents."
_MAX_BYTES = 2**28


class MetricsWriter:
    """Appends rows to a CSV file; the first row fixes the columns.

    Later rows leave missing columns empty and may not add new ones: a column that is only
    sometimes there (NaN while it has no value) belongs into the first row.

    Args:
        path: The file; what is in it is replaced,
        keep_rounds: but for the rows of so many first rounds.
    """

    def __init__(self, path: Path, *, keep_rounds: int = 0) -> None:
        header = _cut(path, keep_rounds) if keep_rounds and path.is_file() else []
        self._file = path.open("a" if header else "w", newline="", encoding="utf-8")
        self._writer: csv.DictWriter[str] | None = None
        if header:
            self._writer = csv.DictWriter(self._file, header, extrasaction="ignore")

    def write(self, row: Mapping[str, float]) -> None:
        """Append one row and flush it."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), extrasaction="ignore")
            self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut(path: Path, rounds: int) -> list[str]:
    """Leaves only the rows of the first rounds; gives the header, empty if there is none."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        if "round" not in header:
            return []
        column = header.index("round")
        kept = [
            line for line in lines if len(line) == len(header) and _before(line[column], rounds)
        ]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *kept])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
    return header


def _before(cell: str, rounds: int) -> bool:
    try:
        return float(cell) < rounds
    except ValueError:
        return False


def read_metrics(path: str | Path) -> list[Row]:
    """The rows of a `metrics.csv`; empty cells become NaN.

    A last line that was cut off (the machine went down while it was written) is left out.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If a cell is not a number.
    """
    source = Path(path)
    text = read_regular(source, _MAX_BYTES).decode("utf-8", "replace")
    try:
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InvalidValueError(f"{source} is damaged: {error}") from error
    if not lines:
        return []
    header, *rows = lines
    if rows and len(rows[-1]) != len(header):
        rows.pop()
    try:
        return [
            {
                name: float(cell) if cell else math.nan
                for name, cell in zip(header, row, strict=True)
            }
            for row in rows
        ]
    except ValueError as error:
        raise InvalidValueError(f"{source} is damaged: {error}") from error


def log_sizes(run: Path) -> dict[str, int]:
    """Bytes of every TensorBoard file and of `scalars.csv`, by paths below the run's folder."""
    return {str(path.relative_to(run)): path.stat().st_size for path in _log_files(run)}


def cut_logs(run: Path, sizes: Mapping[str, Any]) -> None:
    """Removes from a run's logs what was written after a checkpoint.

    Only files that are found below the run's folder are touched, whatever `sizes` names.

    Args:
        run: The run directory.
        sizes: Of `log_sizes`, when the checkpoint was written; other files go altogether.
    """
    for path in list(_log_files(run)):
        size = sizes.get(str(path.relative_to(run)))
        if not isinstance(size, int) or size < 0:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)


def _log_files(run: Path) -> Iterator[Path]:
    scalars = run / layout.SCALARS
    if scalars.is_file() and not scalars.is_symlink():
        yield scalars
    for folder, _, names in os.walk(run / layout.TENSORBOARD, followlinks=False):
        if Path(folder).is_symlink():
            continue
        for name in names:
            path = Path(folder) / name
            if name.startswith(_EVENTS) and path.is_file() and not path.is_symlink():
                yield path

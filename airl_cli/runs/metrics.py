"""`metrics.csv`: one row per round, on disk as soon as it is written."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from airl_cli.errors import InvalidValueError, NotFoundError

Row = dict[str, float]


class MetricsWriter:
    """Appends rows to a CSV file; the first row fixes the columns.

    Later rows leave missing columns empty and may not add new ones: a column that is only
    sometimes there (NaN while it has no value) belongs into the first row.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer: csv.DictWriter[str] | None = None

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


def read_metrics(path: str | Path) -> list[Row]:
    """The rows of a `metrics.csv`; empty cells become NaN.

    A last line that was cut off (the machine went down while it was written) is left out.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If a cell is not a number.
    """
    source = Path(path)
    try:
        with source.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
    except OSError as error:
        raise NotFoundError(f"cannot read {source}: {error.strerror or error}") from error
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

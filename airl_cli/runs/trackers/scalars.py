"""Everything that is recorded, as one plain file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from airl_cli.runs import layout
from airl_cli.runs.trackers.base import RunFacts, Tracker


class CSV(Tracker):
    """`scalars.csv`: one line `step,name,value` for each recorded number.

    Unlike `metrics.csv`, which every run writes, it holds the generator's own figures, too, and
    these may come and go.
    """

    def __init__(self) -> None:
        self._file: TextIO | None = None

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Opens the file, at its end."""
        run.folder.mkdir(parents=True, exist_ok=True)
        path = run.folder / layout.SCALARS
        self._file = path.open("a", newline="", encoding="utf-8")
        if not path.stat().st_size:
            csv.writer(self._file).writerow(("step", "name", "value"))
        return {}

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Lines that are on disk afterwards."""
        assert self._file is not None
        csv.writer(self._file).writerows((step, name, value) for name, value in values.items())
        self._file.flush()

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The result as lines `result/<name>`."""
        self.write({f"result/{name}": value for name, value in result.items()}, step)

    def close(self, status: str) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

"""Log records: what reaches the console, what a line may hold, when a log file begins."""

import logging
import os
from pathlib import Path

from airl_cli.text import printable

_LONGEST = 10_000
_MOST_WAITING = 10_000


class ConsoleFilter(logging.Filter):
    """Keeps tracebacks, and records made with `extra={"file_only": True}`, in the log file."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the console shows the record."""
        return record.exc_info is None and not getattr(record, "file_only", False)


class PrintableFormatter(logging.Formatter):
    """Control characters become escapes; the lines of a record after its first are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text that nothing acts on, and that no other record can be mistaken for."""
        lines = super().format(record).split("\n")
        return "\n  ".join(printable(line, _LONGEST) for line in lines)


class ConsoleFormatter(PrintableFormatter):
    """A plain sentence, in a multirun with the job's number, as jobs run side by side.

    Args:
        job: The number; None if it is the only one.
    """

    def __init__(self, job: int | None = None) -> None:
        super().__init__("%(message)s" if job is None else f"#{job} %(message)s")


class RunLogHandler(logging.FileHandler):
    """A log file that begins when the command is accepted; until then its records wait.

    Args:
        filename: Of the log.
    """

    def __init__(self, filename: str) -> None:
        super().__init__(filename, encoding="utf-8", delay=True)
        self._waiting: list[logging.LogRecord] | None = []

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record, or keeps it."""
        if self._waiting is None:
            super().emit(record)
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(record)

    @property
    def begun(self) -> bool:
        """Whether records are written."""
        return self._waiting is None

    def forget_discarded(self) -> None:
        """Lets records wait again if the file is gone, or was never written, with its run."""
        if self.begun and not os.path.exists(self.baseFilename):
            self.close()
            self._waiting = []

    def begin(self, folder: Path) -> None:
        """Begins the file in a folder, with the records that waited."""
        if self._waiting is None:
            return
        self.baseFilename = os.path.abspath(folder / Path(self.baseFilename).name)
        waiting, self._waiting = self._waiting, None
        for record in waiting:
            self.emit(record)

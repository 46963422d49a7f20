"""What of the log reaches the console."""

import logging


class ConsoleFilter(logging.Filter):
    """Keeps tracebacks, and records made with `extra={"file_only": True}`, in the log file."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the console shows the record."""
        return record.exc_info is None and not getattr(record, "file_only", False)


class ConsoleFormatter(logging.Formatter):
    """A plain sentence, in a multirun with the job's number: jobs may speak at the same time.

    Args:
        job: The number; None if it is the only one.
    """

    def __init__(self, job: int | None = None) -> None:
        super().__init__("%(message)s" if job is None else f"#{job} %(message)s")

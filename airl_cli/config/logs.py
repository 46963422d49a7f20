"""What of the log reaches the console."""

import logging


class ConsoleFilter(logging.Filter):
    """Keeps tracebacks, and records made with `extra={"file_only": True}`, in the log file."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the console shows the record."""
        return record.exc_info is None and not getattr(record, "file_only", False)

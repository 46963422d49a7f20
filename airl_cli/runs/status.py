"""`status.json`: what became of a run, and when."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from airl_cli.runs import layout
from airl_cli.serialization import write_json

log = logging.getLogger("airl_cli.run")


class HasRounds(Protocol):
    """What is needed of a `RoundRecorder` here."""

    @property
    def rounds(self) -> int:
        """Completed rounds."""

    @property
    def checkpoint(self) -> int | None:
        """Completed rounds at the newest checkpoint."""


class StatusFile:
    """The `status.json` of a run that this process works on.

    Args:
        run: The run directory.
        recorder: Knows the rounds.
    """

    def __init__(self, run: Path, recorder: HasRounds) -> None:
        self._path = run / layout.STATUS
        self._recorder = recorder
        self._started = _now()

    def write(self, status: str, reason: str = "", **more: Any) -> None:
        """Replaces it; says in the log if that fails, and goes on.

        Args:
            status: `running`, `finished`, `failed` or `interrupted`.
            reason: Of a failure.
            **more: Further entries; None leaves one out.
        """
        content = {
            "status": status,
            "reason": reason,
            "rounds": self._recorder.rounds,
            "checkpoint": self._recorder.checkpoint,
            "pid": os.getpid(),
            "started": self._started,
            "written": _now(),
            **{key: value for key, value in more.items() if value is not None},
        }
        try:
            write_json(self._path, content)
        except OSError as error:  # the disk is full: say what else there is to say
            log.warning("%s cannot be written: %s", layout.STATUS, error.strerror or error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

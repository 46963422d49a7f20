"""`status.json`: what became of a run, and when."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airl_cli.errors import AirlError
from airl_cli.runs import layout
from airl_cli.runs.signals import exit_status
from airl_cli.serialization import write_json

if TYPE_CHECKING:
    from airl_cli.runs.recorder import RoundRecorder

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
        """Replaces it; a failure to do so is only logged.

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


def end_without_result(
    error: BaseException | None,
    recorder: RoundRecorder,
    status: StatusFile,
    *,
    discard: Callable[[], bool],
) -> str:
    """Keeps the weights that there are, and writes down what happened.

    Args:
        error: What ended the run; None: nothing did.
        recorder: Of its rounds.
        status: Its status.
        discard: Removes what a run without a round made; gives whether it may, and did.

    Returns:
        `failed` or `interrupted`.
    """
    if error is None:
        recorder.keep_weights()
        status.write("failed", "the run ended without a result")
        return "failed"
    if exit_status(error) is not None:
        kept = recorder.keep_weights()
        status.write("interrupted", f"{type(error).__name__}; {kept}")
        log.warning("interrupted; %s", kept)
        return "interrupted"
    is_mistake = isinstance(error, AirlError) and error.exit_code == 2
    if is_mistake and not recorder.rounds and discard():
        return "failed"
    kept = recorder.keep_weights()
    text = str(error) if isinstance(error, AirlError) else f"{type(error).__name__}: {error}"
    trace = None if is_mistake else "".join(traceback.format_exception(error))
    status.write("failed", text, traceback=trace)
    if recorder.rounds:
        log.warning("the run failed; %s", kept)
    return "failed"

"""SIGTERM as an exception, so that a killed job can still write its weights."""

import signal
import threading
from types import FrameType


class Terminated(BaseException):
    """The process was asked to end; like `KeyboardInterrupt`, no `except Exception` stops it."""


class TerminationGuard:
    """Raises `Terminated` on SIGTERM between `install` and `remove`.

    Signals belong to the main thread: elsewhere (a launcher's worker threads) it does nothing.
    """

    def __init__(self) -> None:
        self._previous: object = None
        self._installed = False

    def install(self) -> None:
        """Take SIGTERM over."""
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, _raise)
            self._installed = True

    def remove(self) -> None:
        """Give SIGTERM back to whoever had it."""
        if self._installed:
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)  # type: ignore[arg-type]
            self._installed = False


def _raise(signal_number: int, frame: FrameType | None) -> None:
    raise Terminated


def exit_status(error: BaseException) -> int | None:
    """The shell's exit status for an interruption (130 or 143); None for other exceptions."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    return None

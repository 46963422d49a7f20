"""Ctrl-C and SIGTERM as exceptions, at a moment when everything can be written down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """The process was asked to end; like `KeyboardInterrupt`, no `except Exception` stops it."""


_EXCEPTIONS: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}


class InterruptGuard:
    """Turns SIGINT and SIGTERM into exceptions between `install` and `remove`.

    Signals belong to the main thread: elsewhere (a launcher's worker threads) it does nothing.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._notice: Callable[[], None] | None = None
        self._pending: int | None = None

    def install(self) -> None:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on) for number in _EXCEPTIONS}

    def remove(self) -> None:
        """Give the signals back to whoever had them."""
        for number, previous in self._previous.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._previous = {}

    @contextmanager
    def deferred(self, notice: Callable[[], None]) -> Iterator[None]:
        """Within the block a first signal only leads to `notice`; a second one raises at once.

        Whoever runs in the block asks `pending` at moments that suit, and then calls `give_way`.
        """
        self._notice = notice
        try:
            yield
        finally:
            self._notice = None

    @property
    def pending(self) -> bool:
        """Whether a signal waits."""
        return self._pending is not None

    def give_way(self) -> None:
        """Raises what a waiting signal stands for; nothing if none waits."""
        if self._pending is not None:
            raise _EXCEPTIONS[self._pending]

    def _on(self, number: int, frame: FrameType | None) -> None:
        if self._notice is None or self.pending:
            raise _EXCEPTIONS[number]
        self._pending = number
        self._notice()


def exit_status(error: BaseException) -> int | None:
    """The shell's exit status for an interruption (130 or 143); None for other exceptions."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    return None

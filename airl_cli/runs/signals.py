"""Ctrl-C, SIGTERM and a cluster's signals, at a moment when everything can be written down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """The process was asked to end; like `KeyboardInterrupt`, no `except Exception` stops it."""


class Requeued(SystemExit):
    """The process ends because its cluster will start the job again; carries the exit status."""


_EXCEPTIONS: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}


_OF_CLUSTERS = (signal.SIGUSR1, signal.SIGUSR2)
"""Announce that a job is preempted or out of time."""


class InterruptGuard:
    """Turns SIGINT and SIGTERM into exceptions between `install` and `remove`.

    Where somebody else listens to SIGTERM, SIGUSR1 or SIGUSR2 already (submitit, which requeues
    the job), they still decide what happens, only later.

    Signals belong to the main thread: elsewhere (a launcher's worker threads) it does nothing.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._notice: Callable[[], None] | None = None
        self._pending: int | None = None

    def install(self) -> None:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in _OF_CLUSTERS if callable(signal.getsignal(number))]
            numbers = [*_EXCEPTIONS, *heard]
            self._previous = {number: signal.signal(number, self._on) for number in numbers}

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
        """Lets a waiting signal do what it stands for, which mostly raises; else nothing."""
        if self._pending is not None:
            self._deliver(self._pending)
            self._pending = None  # whoever listens wants the run to go on

    def _on(self, number: int, frame: FrameType | None) -> None:
        # Slurm sends SIGTERM and the announcement together: another signal is no impatience.
        another = self._listener(number) is not None and number != self._pending
        if self._notice is None or (self.pending and not another):
            self._deliver(number)
            return
        self._pending = number
        self._notice()

    def _deliver(self, number: int) -> None:
        listener = self._listener(number)
        if listener is None:
            raise _EXCEPTIONS[number]
        try:
            listener(number, None)
        except SystemExit as stop:
            raise Requeued(stop.code) from stop

    def _listener(self, number: int) -> Callable[..., Any] | None:
        """Who had the signal before, but for Python itself."""
        previous = self._previous.get(number)
        return previous if callable(previous) and number != signal.SIGINT else None


def exit_status(error: BaseException) -> int | None:
    """The shell's exit status for an interruption (130, 143, ...); None for other exceptions."""
    if isinstance(error, Requeued):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    return None

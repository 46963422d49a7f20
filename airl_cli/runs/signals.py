"""Ctrl-C, SIGTERM and a cluster's signals, at a moment when everything can be written down."""

from __future__ import annotations

import fcntl
import os
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


LAUNCHER = "AIRL_LAUNCHER"
"""Environment variable of the jobs of a multirun on this machine: a file that their launcher has
locked for as long as they are wanted."""

_SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def wanted_by_launcher() -> Iterator[None]:
    """Ends a job with SIGTERM when the process that launched it dies, or gives it up.

    A lock dies with its owner, whatever killed it. Without a launcher in another process, nothing
    is watched.

    Raises:
        Terminated: At once if the launcher is gone already, else at the time of SIGTERM; where a
            `Run` is open, after its round and a checkpoint.
    """
    path = os.environ.get(LAUNCHER)
    if path is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    if not is_launcher() and _is_free(path):
        raise Terminated
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            if not is_launcher() and _is_free(path):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    before = signal.signal(signal.SIGTERM, _raise_terminated)
    threading.Thread(target=watch, name="launcher", daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def is_launcher() -> bool:
    """Whether this process is the one that launched the jobs, and runs one itself."""
    return os.environ.get(f"{LAUNCHER}_PID") == str(os.getpid())


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _is_free(path: str) -> bool:
    """Whether nobody holds the lock; a file that cannot be looked at tells nothing."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def exit_status(error: BaseException) -> int | None:
    """The shell's exit status for an interruption (130, 143, ...); None for other exceptions."""
    if isinstance(error, Requeued):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return 128 + signal.SIGTERM
    return None

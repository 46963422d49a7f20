"""Launchers and sweepers that other packages bring."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError, NotFoundError, RunFailedError
from airl_cli.files import take_lock
from airl_cli.runs.signals import LAUNCHER

log = logging.getLogger("airl_cli")

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def load(extra: str, target: str) -> Any:
    """What an extra brings.

    Args:
        extra: Its name, for the message.
        target: Dotted name of a class.

    Raises:
        NotFoundError: If it cannot be imported.
    """
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise NotFoundError(
            f"this needs the extra {extra!r}, which is not installed: {error}.",
            f'Install it: pip install "airl-cli[{extra}]"',
        ) from error


class LauncherFailedError(RunFailedError):
    """The launcher itself failed, not one of its jobs."""


@contextmanager
def watched(sweep_dir: str) -> Iterator[None]:
    """Surroundings of a launch on this machine: its jobs end when this process does.

    On SIGTERM the jobs end after their rounds with a checkpoint, and this process when they have;
    a second SIGTERM does not wait.

    Args:
        sweep_dir: Where the jobs write.

    Raises:
        SystemExit: In the end, if SIGTERM came.
    """
    path = Path(sweep_dir) / ".launcher.lock"
    lock = take_lock(path)
    if lock is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped = False

    def stop(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log.warning("ending the jobs, each after its round and a checkpoint; once more kills them")
        lock.release()

    before = signal.signal(signal.SIGTERM, stop)
    ours = {LAUNCHER: str(path.absolute()), f"{LAUNCHER}_PID": str(os.getpid())}
    os.environ.update(ours)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for name in ours:
            os.environ.pop(name, None)
        lock.release()
        path.unlink(missing_ok=True)
        if stopped:
            raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def launching(threads: int, sweep_dir: str) -> Iterator[None]:
    """Surroundings of a launch: processes that begin in it inherit the number of threads.

    Libraries read it when they are loaded, so that nothing within the job would be early enough.

    Args:
        threads: Of BLAS and OpenMP; what is set already stays.
        sweep_dir: Where the jobs write, for the message.

    Raises:
        AirlError: As the launcher raises it, or for whatever else ends it.
    """
    ours = {name: str(threads) for name in _THREADS if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    except AirlError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise LauncherFailedError(
            f"the launcher failed: {type(error).__name__}: {lines[0] if lines else ''}",
            f"What the jobs wrote is in {sweep_dir}; the same command with resume=auto does the "
            "rest. HYDRA_FULL_ERROR=1 shows all of it.",
        ) from error
    finally:
        for name in ours:
            os.environ.pop(name, None)

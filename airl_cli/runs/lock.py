"""One process at a time in a run directory."""

from pathlib import Path

from filelock import FileLock, Timeout

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.runs import layout
from airl_cli.serialization import read_json


def lock_run(run: Path) -> FileLock:
    """Takes a run directory; the operating system gives it back when the process ends, however.

    Raises:
        InvalidValueError: If another process has it, or it cannot be written.
    """
    lock = FileLock(run / layout.LOCK)
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InvalidValueError(
            f"{run} is in use by another process{_holder(run)}.",
            "Wait until it has finished, or end it first.",
        ) from error
    except (OSError, NotImplementedError) as error:
        raise InvalidValueError(
            f"cannot write {run}: {getattr(error, 'strerror', None) or error}",
            "Choose a folder that can be written.",
        ) from error
    return lock


def _holder(run: Path) -> str:
    try:
        return f" (process {int(read_json(run / layout.STATUS)['pid'])})"
    except (AirlError, KeyError, TypeError, ValueError):
        return ""

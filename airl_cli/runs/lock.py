"""One process at a time in a run directory, and nothing written outside of it."""

import os
from pathlib import Path

from filelock import FileLock

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.locks import take_lock
from airl_cli.runs import layout
from airl_cli.serialization import read_json


def lock_run(run: Path) -> FileLock:
    """Takes a run directory; the operating system gives it back when the process ends, however.

    Raises:
        InvalidValueError: If another process has it, or it cannot be written.
    """
    lock = take_lock(run / layout.LOCK)
    if lock is None:
        raise InvalidValueError(
            f"{run} is in use by another process{_holder(run)}.",
            "Wait until it has finished, or end it first.",
        )
    return lock


def refuse_links(run: Path) -> None:
    """Refuses a run directory in which a link leads out of it: writing would go there.

    Raises:
        InvalidValueError: Naming the link.
    """
    root = run.resolve()
    for folder, folders, files in os.walk(run, followlinks=False):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise InvalidValueError(
                    f"{path} is a link that leads out of the run directory.",
                    "Replace it with what it leads to, or remove it.",
                )


def _holder(run: Path) -> str:
    try:
        return f" (process {int(read_json(run / layout.STATUS)['pid'])})"
    except (AirlError, KeyError, TypeError, ValueError):
        return ""

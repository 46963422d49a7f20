"""Files that one process holds at a time."""

from pathlib import Path

from filelock import FileLock, Timeout

from airl_cli.files import explained_writing


def take_lock(path: Path) -> FileLock | None:
    """The lock, taken; None if another process has it, for which this one does not wait.

    The operating system gives it back when the process ends, however that happens.

    Args:
        path: Of the lock's file; its folder is made.

    Raises:
        InvalidValueError: If the folder cannot be created or written.
    """
    lock = FileLock(path)
    with explained_writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
    return lock

"""Files and folders that outlive a process: written whole or not at all; locks; bounded JSON.

Nothing heavy is imported, and nothing that is read is executed.
"""

import dataclasses
import fcntl
import glob
import json
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError

CONFIG = "config.json"
RESULT = "result.json"
SPACES = "spaces.json"
FINAL_WEIGHTS = Path("checkpoints", "final")
POLICY_WEIGHTS = "policy.safetensors"
REWARD_WEIGHTS = "reward.safetensors"
"""What `airl_cli.load_run` reads of a folder."""

MAX_JSON_BYTES = 16 * 2**20
"""Larger JSON files than this (bytes) are not ours: configs and results are kilobytes."""

_FILE_MODE = 0o666
_SECONDS_UNTIL_STALE = 10.0


@contextmanager
def explained_writing(path: Path) -> Iterator[None]:
    """Turn what the system raises where `path` cannot be written into a message for the user.

    Raises:
        InvalidValueError: Naming `path` and the reason.
    """
    try:
        yield
    except (OSError, NotImplementedError) as error:  # the second: no locks on this file system
        raise InvalidValueError(
            f"cannot write {path}: {getattr(error, 'strerror', None) or error}",
            "Choose a folder that can be written.",
        ) from error


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under `path` complete, when the block ends without an error.

    The temporary file lies in the same folder (a rename is atomic only within one file system)
    and is removed when the block raises; what was under `path` before then stays untouched.

    Raises:
        InvalidValueError: If the folder cannot be created or written.
    """
    target = Path(path)
    with explained_writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _FILE_MODE & ~_current_umask())  # mkstemp makes files private
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _current_umask() -> int:
    # Linux says it without changing it; elsewhere the cautious usual value.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022


@contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder that appears under `path`, flushed to disk, when the block ends well.

    What processes that were killed left of earlier attempts is removed.

    Args:
        path: Where it appears.
        replace: Whether it takes the place of a folder that is there.

    Raises:
        InvalidValueError: If something is there already (unless `replace`), or the folder
            cannot be written.
    """
    target = Path(path)
    if not replace and target.exists():
        raise InvalidValueError(f"{target} exists already.", "Choose another name, or remove it.")
    with explained_writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with _owned(temporary):
            yield temporary
            for file in temporary.rglob("*"):
                flush(file)
            temporary.chmod(0o777 & ~_current_umask())  # mkdtemp makes folders private
            if replace and target.exists():
                shutil.rmtree(target)
            os.replace(temporary, target)
            flush(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def sweep(target: Path) -> None:
    """Removes what killed processes left of `atomic_folder(target)`: nobody holds its lock."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*"):
        if not path.is_dir() or path.is_symlink():
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < _SECONDS_UNTIL_STALE:
                continue  # just made, and about to be locked
            with _owned(path):
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Holds a lock on a folder itself, which ends with the process.

    Raises:
        BlockingIOError: If another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def flush(path: Path) -> None:
    """Has the file system write a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def take_lock(path: Path, *, timeout: float = 0.0) -> FileLock | None:
    """The lock, taken; None if another process still has it after `timeout` seconds.

    The operating system releases it when the process ends, however that happens; the file stays,
    and may be locked by other users.

    Args:
        path: Of the lock's file; its folder is made.
        timeout: Seconds to wait; negative: as long as it takes.

    Raises:
        InvalidValueError: If the folder cannot be created or written.
    """
    lock = FileLock(path, mode=_FILE_MODE)
    with explained_writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            return None
    return lock


def to_jsonable(value: Any) -> Any:
    """`value` in JSON's own types.

    NumPy scalars and arrays, paths, tuples, mappings and dataclasses are converted. NaN and
    infinity become None: JSON has no word for them, and readers other than Python's refuse them.

    Raises:
        InvalidTypeError: If a value has no JSON form.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray):
        return to_jsonable(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [to_jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise InvalidTypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r}")


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file of bounded size; pipes and devices would block, or never end.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is larger than `max_bytes`, or no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InvalidValueError(f"{path} is no regular file: not read")
            raw = file.read(max_bytes + 1)
    except InvalidValueError:
        raise
    except (OSError, ValueError) as error:  # the latter: a null character
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(f"cannot read {path}: {reason}") from error
    if len(raw) > max_bytes:
        raise InvalidValueError(f"{path} is larger than {max_bytes} bytes: not read")
    return raw


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as sorted, indented JSON, atomically; NaN and infinity become null."""
    text = json.dumps(to_jsonable(obj), indent=2, sort_keys=True, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of bounded size.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is larger than `max_bytes` or not JSON.
    """
    source = Path(path)
    raw = read_regular(source, max_bytes)
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"{source} is not valid JSON: {error}") from error

"""SHA-256 of files and folders, and a list of them that folders can carry along.

Folders of other libraries have no checksums of their own: a flipped bit in one of their data files
would go unnoticed. What this package writes into such a folder besides is `CHECKSUMS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from airl_cli.data.types import Trajectory
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.files import read_json, write_json

CHECKSUMS = "airl-checksums.json"


def sha256(path: str | Path) -> str:
    """Of a file's content, or of the names and contents of all files in a folder.

    Raises:
        NotFoundError: If there is nothing at `path`.
    """
    source = Path(path)
    if source.is_dir():
        digests = _folder(source)
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NotFoundError(f"cannot read {source}: {error.strerror or error}") from error


def trajectories_digest(trajectories: Sequence[Trajectory], at_most: int = 2**28) -> str:
    """SHA-256 of what trajectories show: observations, actions and how they end.

    Args:
        trajectories: Each is asked for once.
        at_most: Bytes of observations; of a larger data set only the beginning counts.
    """
    digest = hashlib.sha256(str(len(trajectories)).encode())
    size = 0
    for trajectory in trajectories:
        size += np.asarray(trajectory.obs).nbytes
        if size > at_most:
            break
        for array in (trajectory.obs, trajectory.acts):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(bytes([trajectory.terminal]))
    return digest.hexdigest()


def write_checksums(folder: str | Path) -> None:
    """Put a list of the folder's files and their SHA-256 beside them."""
    write_json(Path(folder) / CHECKSUMS, _folder(Path(folder)))


def verify_checksums(folder: str | Path) -> bool:
    """Compare a folder with its list; False if it has none (other programs write none).

    Raises:
        InvalidValueError: If a file was changed, lost or added.
    """
    listed = Path(folder) / CHECKSUMS
    if not listed.exists():
        return False
    remedy = f"Make it again, or, if it was changed on purpose, remove {CHECKSUMS}."
    try:
        expected = read_json(listed)
    except InvalidValueError as error:
        raise InvalidValueError(f"{folder} is damaged: {error.problem}", remedy) from error
    found = _folder(Path(folder))
    if expected == found:
        return True
    known = expected if isinstance(expected, dict) else {}
    changed = min(n for n in known.keys() | found.keys() if known.get(n) != found.get(n))
    raise InvalidValueError(f"{folder} is damaged: {changed} is not what was written.", remedy)


def _folder(folder: Path) -> dict[str, str]:
    # A lock or cache that a library leaves behind when it reads is not part of the data.
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != CHECKSUMS and not path.name.endswith(".lock")
    }

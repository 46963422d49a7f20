"""The folder an expert lies in: complete or absent, and made by one process at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from torch import nn

from airl_cli.errors import InvalidValueError
from airl_cli.experts.base import log
from airl_cli.serialization import read_json, save_weights, write_json

FORMAT = 1
WEIGHTS = "policy.safetensors"
RECORD = "expert.json"


@dataclass(frozen=True)
class ExpertRecord:
    """What `expert.json` says about a cached expert.

    Attributes:
        determined_by: Everything that decides which expert it is.
        returns: True returns of some episodes of the expert.
        random_returns: The same for uniformly random actions.
        env_steps: Steps it was trained for.
        seconds: Wall-clock time of the training.
        versions: Of Python and packages, when it was trained.
    """

    determined_by: dict[str, Any]
    returns: list[float]
    random_returns: list[float]
    env_steps: int
    seconds: float
    versions: dict[str, str]

    def save(self, folder: Path) -> None:
        """Write it into `folder`, with the mean returns for readers."""
        summary = {
            "return_mean": float(np.mean(self.returns)),
            "return_std": float(np.std(self.returns)),
            "random_return_mean": float(np.mean(self.random_returns)),
        }
        write_json(folder / RECORD, {"format": FORMAT, **summary, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> ExpertRecord:
        """Read it back.

        Raises:
            InvalidValueError: If the file is damaged or of an unknown format.
        """
        path = folder / RECORD
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InvalidValueError(f"{path} is not of format {FORMAT}")
        try:
            return cls(
                determined_by=dict(content["determined_by"]),
                returns=_finite(content["returns"]),
                random_returns=_finite(content["random_returns"]),
                env_steps=int(content["env_steps"]),
                seconds=float(content["seconds"]),
                versions=dict(content["versions"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValueError(f"{path} is damaged: {error!r}") from error


def _finite(values: Any) -> list[float]:
    numbers = [float(value) for value in values]
    if not numbers or not np.isfinite(numbers).all():
        raise ValueError("returns are missing or not finite")
    return numbers


def store(folder: Path, policy: nn.Module, record: ExpertRecord) -> None:
    """Put a trained expert under `folder`, in one step; a damaged one there is replaced."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        save_weights(policy, temporary / WEIGHTS)
        record.save(temporary)
        temporary.chmod(0o755)  # mkdtemp's are private, caches are often shared
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock beside `folder`; waits for another process and says so.

    Raises:
        InvalidValueError: If the cache directory cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f"{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info(f"waiting for another process that trains the expert {folder}")
            lock.acquire()
    except OSError as error:
        raise InvalidValueError(
            f"cannot write the expert cache {folder.parent}: {error.strerror or error}",
            "Set expert.cache_dir to a folder that can be written.",
        ) from error
    try:
        yield
    finally:
        lock.release()

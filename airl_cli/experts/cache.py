"""The folder an expert lies in: complete or absent, and made by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from airl_cli.errors import InvalidValueError
from airl_cli.experts.base import log
from airl_cli.files import atomic_folder, take_lock
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
    with atomic_folder(folder, replace=True) as temporary:
        save_weights(policy, temporary / WEIGHTS)
        record.save(temporary)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock beside `folder`; waits for another process and says so.

    Raises:
        InvalidValueError: If the cache directory cannot be written.
    """
    path = folder.parent / f"{folder.name}.lock"
    try:
        lock = take_lock(path)
        if lock is None:
            log.info(f"waiting for another process that trains the expert {folder}")
            lock = take_lock(path, timeout=-1)
        assert lock is not None
    except InvalidValueError as error:
        raise InvalidValueError(
            error.problem.replace("cannot write", "cannot write the expert cache", 1),
            "Set expert.cache_dir to a folder that can be written.",
        ) from error
    try:
        yield
    finally:
        lock.release()

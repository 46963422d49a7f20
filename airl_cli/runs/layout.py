"""The run directory: the names of its files, its lock, and whether it holds anything."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.files import (
    CONFIG,
    FINAL_WEIGHTS,
    POLICY_WEIGHTS,
    RESULT,
    REWARD_WEIGHTS,
    SPACES,
    read_json,
    take_lock,
)
from airl_cli.text import printable

__all__ = ["CONFIG", "POLICY_WEIGHTS", "RESULT", "REWARD_WEIGHTS", "SPACES"]  # and the names below

SIGNATURE = "config.hmac"
STATUS = "status.json"
ENVIRONMENT = "environment.json"
PROVENANCE = "provenance.json"
EVALUATION = "evaluation.json"
"""The returns of single episodes that the result is made of."""

METRICS = "metrics.csv"
MANIFEST = "manifest.json"
REWARD_REPORT = "reward.json"
"""Of `airl reward`."""

TENSORBOARD = "tensorboard"
SCALARS = "scalars.csv"
LOGGERS = "loggers.json"
"""Where trackers keep the run: what it takes to go on there."""

PLOTS = "plots"
VIDEOS = "videos"
CHECKPOINTS, FINAL = FINAL_WEIGHTS.parts
LOCK = ".lock"
STATE_TENSORS = "state.safetensors"
STATE = "state.json"

PREAMBLE = frozenset(
    {
        *(".hydra", LOCK, CONFIG, SIGNATURE, SPACES, STATUS, ENVIRONMENT, PROVENANCE),
        *(TENSORBOARD, SCALARS, LOGGERS, "wandb"),
    }
)
"""What a run that never trained may leave (besides log files): nothing worth keeping."""


def lock_run(run: Path) -> FileLock:
    """Takes a run directory; the operating system gives it back when the process ends, however.

    Raises:
        InvalidValueError: If another process has it, or it cannot be written.
    """
    lock = take_lock(run / LOCK)
    if lock is None:
        raise InvalidValueError(
            f"{run} is in use by another process{_holder(run)}.",
            "Wait until it has finished, or end it first.",
        )
    return lock


def refuse_links(run: Path) -> None:
    """Refuses a run directory with a link that leads out of it, or with anything but files.

    What is read through a link, or written, would lie elsewhere; a pipe never ends.

    Raises:
        InvalidValueError: Naming it.
    """
    root = run.resolve()
    for folder, folders, files in os.walk(run, followlinks=False):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink():
                if not path.resolve().is_relative_to(root):
                    raise InvalidValueError(
                        f"{printable(str(path))} is a link that leads out of the run directory.",
                        "Replace it with what it leads to, or remove it.",
                    )
            elif not (path.is_dir() or path.is_file()):
                raise InvalidValueError(f"{printable(str(path))} is no regular file.", "Remove it.")


def _holder(run: Path) -> str:
    try:
        return f" (process {int(read_json(run / STATUS)['pid'])})"
    except (AirlError, KeyError, TypeError, ValueError):
        return ""


def entries(run: Path) -> frozenset[str] | None:
    """Names of what a directory holds; None if there is no such directory."""
    return frozenset(os.listdir(run)) if run.is_dir() else None


def discard(run: Path, before: frozenset[str] | None) -> bool:
    """Removes what a run without a round made in its directory; nothing that was there before.

    Args:
        run: The directory.
        before: Its `entries` before the run began.

    Returns:
        False if there is more than preliminaries (`PREAMBLE`, log files): nothing is removed.
    """
    made = [run / name for name in (entries(run) or ()) if name not in (before or ())]
    if not all(path.name in PREAMBLE or path.suffix == ".log" for path in made):
        return False
    for path in made:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if before is None:
        with suppress(OSError):
            run.rmdir()
    return True

"""The run directory: the names of its files, its lock, and whether it holds anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.files import read_json, take_lock

CONFIG = "config.json"
"""The config as the run used it, every interpolation resolved; what loading reads."""

SPACES = "spaces.json"
STATUS = "status.json"
ENVIRONMENT = "environment.json"
PROVENANCE = "provenance.json"
RESULT = "result.json"
EVALUATION = "evaluation.json"
"""The returns of single episodes that the result is made of."""

METRICS = "metrics.csv"
TENSORBOARD = "tensorboard"
SCALARS = "scalars.csv"
LOGGERS = "loggers.json"
"""Where trackers keep the run: what it takes to go on there."""

PLOTS = "plots"
VIDEOS = "videos"
CHECKPOINTS = "checkpoints"
FINAL = "final"
LOCK = ".lock"
REWARD_WEIGHTS = "reward.safetensors"
POLICY_WEIGHTS = "policy.safetensors"
STATE_TENSORS = "state.safetensors"
STATE = "state.json"

PREAMBLE = frozenset(
    {
        *(".hydra", LOCK, CONFIG, SPACES, STATUS, ENVIRONMENT, PROVENANCE),
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
        return f" (process {int(read_json(run / STATUS)['pid'])})"
    except (AirlError, KeyError, TypeError, ValueError):
        return ""


def discard_empty(path: str | Path) -> bool:
    """Remove a run directory that holds nothing but preliminaries; says whether it did.

    Preliminaries are Hydra's `.hydra/`, log files and what a run writes before its first round.
    The current directory is never removed.
    """
    folder = Path(path)
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        return False
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if not all(entry.name in PREAMBLE or entry.suffix == ".log" for entry in entries):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True

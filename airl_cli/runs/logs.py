"""Logs that grow while a run goes on, cut back to a checkpoint when it is resumed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airl_cli.runs import layout

_EVENTS = "events.out.tfevents."


def log_sizes(run: Path) -> dict[str, int]:
    """Bytes of every TensorBoard file and of `scalars.csv`, by paths below the run's folder."""
    return {str(path.relative_to(run)): path.stat().st_size for path in _log_files(run)}


def cut_logs(run: Path, sizes: Mapping[str, Any]) -> None:
    """Removes from a run's logs what was written after a checkpoint.

    Only files that are found below the run's folder are touched, whatever `sizes` names.

    Args:
        run: The run directory.
        sizes: Of `log_sizes`, when the checkpoint was written; other files go altogether.
    """
    for path in list(_log_files(run)):
        size = sizes.get(str(path.relative_to(run)))
        if not isinstance(size, int) or size < 0:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)


def _log_files(run: Path) -> Iterator[Path]:
    scalars = run / layout.SCALARS
    if scalars.is_file() and not scalars.is_symlink():
        yield scalars
    for folder, _, names in os.walk(run / layout.TENSORBOARD, followlinks=False):
        if Path(folder).is_symlink():
            continue
        for name in names:
            path = Path(folder) / name
            if name.startswith(_EVENTS) and path.is_file() and not path.is_symlink():
                yield path

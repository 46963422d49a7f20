"""Run directories in which nothing was learned."""

import shutil
from pathlib import Path

from airl_cli.runs import layout


def discard_empty(path: str | Path) -> bool:
    """Remove a run directory that holds nothing but preliminaries; says whether it did.

    Preliminaries are Hydra's `.hydra/`, log files and what a run writes before its first round.
    The current directory is never removed.
    """
    folder = Path(path)
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        return False
    entries = list(folder.iterdir()) if folder.is_dir() else []
    if not all(entry.name in layout.PREAMBLE or entry.suffix == ".log" for entry in entries):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True

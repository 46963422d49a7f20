"""Run directories: below given folders, the newest one, or those with a name."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.files import read_json
from airl_cli.runs import layout
from airl_cli.runs.hub import is_published, local_run

_SIGNS = (layout.CONFIG, layout.STATUS, layout.METRICS)
"""What only run directories hold; `result.json` is also in those of `airl evaluate`."""

_FAILURES = "failures.jsonl"
"""Of a sweep, beside its jobs: what `commands.sweep` records."""

_MAX_FAILURES_BYTES = 2**22

OUTPUTS = "outputs"
"""Where runs go unless a command line says otherwise, below the current directory."""

LAST = "last"
"""Stands for the newest run of `airl train`."""


@dataclass
class Found:
    """What lies below the named directories.

    Attributes:
        runs: Run directories, each once, in a natural order.
        failed_jobs: Jobs of sweeps that failed before there was a run: directory and reason.
    """

    runs: list[Path] = field(default_factory=list)
    failed_jobs: dict[Path, str] = field(default_factory=dict)


def find_runs(sources: Iterable[str]) -> Found:
    """The runs that paths and patterns lead to.

    Args:
        sources: Directories of runs, or of sweeps or anything else with runs somewhere below;
            `*`, `?`, `[...]` and `**` as in a shell; `last`, or the name of runs below `outputs/`.
            Links to folders are not followed below.

    Raises:
        NotFoundError: For one that does not exist, or without a run.
        InvalidValueError: For a file, or what may not be read.
    """
    runs: dict[str, Path] = {}
    failed: dict[Path, str] = {}
    for source in sources:
        here = Found()
        for folder in _matches(source):
            _search(folder, here)
        if not here.runs and not here.failed_jobs:
            raise NotFoundError(
                f"there is no run in {source}.",
                "Give directories that `airl train` or `airl transfer` made, or of sweeps.",
            )
        runs.update((os.path.realpath(run), run) for run in here.runs)
        failed.update(here.failed_jobs)
    begun = {os.path.normpath(run) for run in runs.values()}
    return Found(
        sorted(runs.values(), key=_natural),
        {job: failed[job] for job in sorted(failed, key=_natural) if str(job) not in begun},
    )


def chosen_run(text: str) -> Path:
    """The directory that `run=<text>` means.

    Args:
        text: A path; `hf://owner/name[@revision]` on the Hugging Face Hub; `last` for the newest
            run of `airl train` below `outputs/`; or the name (`name=...`) of a run there, the
            newest of several.

    Returns:
        A path, which need not exist where nothing else is meant.

    Raises:
        NotFoundError: For `last` without any run.
    """
    path = local_run(text).expanduser()
    if path.exists() or path.name != text:
        return path
    runs = newest_first(_below_outputs())
    if text != LAST:
        return next((run for run in runs if _config(run).get("name") == text), path)
    for run in runs:
        if "upper_bound" not in _config(run):  # of airl transfer
            return run
    raise NotFoundError(
        f"there is no run of airl train below {OUTPUTS}/ to be the last one.",
        "Give its directory, or change to the folder in which it was started.",
    )


def newest_first(runs: Iterable[Path]) -> list[Path]:
    """Runs by when their status last changed."""
    return sorted(runs, key=_changed, reverse=True)


def _changed(run: Path) -> int:
    try:
        return (run / layout.STATUS).stat().st_mtime_ns
    except OSError:
        return 0


def _below_outputs() -> list[Path]:
    found = Found()
    if os.path.isdir(OUTPUTS):
        _search(Path(OUTPUTS), found)
    return [run for run in found.runs if (run / layout.STATUS).is_file()]


def _config(run: Path) -> Mapping[str, Any]:
    try:
        config = read_json(run / layout.CONFIG)
    except (AirlError, OSError):
        return {}
    return config if isinstance(config, dict) else {}


def _matches(source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        return [path]
    if path.exists():
        raise InvalidValueError(
            f"{source} is a file.", "Give the directory of a run or a sweep instead."
        )
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    if not matches and path.name == source:
        named = [run for run in _below_outputs() if _config(run).get("name") == source]
        matches = [chosen_run(LAST)] if source == LAST else named
    if not matches:
        raise NotFoundError(
            f"there is no {source}.",
            "Check the path; patterns, names and `last` are looked up from here (airl list).",
        )
    return [match for match in matches if match.is_dir()]


def _search(top: Path, found: Found) -> None:
    def refuse(error: OSError) -> None:
        if error.filename == str(top):
            raise InvalidValueError(
                f"{top} cannot be read: {error.strerror or error}.", "Ask for the permission."
            )

    for path, folders, files in os.walk(top, onerror=refuse, followlinks=False):
        folder = Path(path)
        if any(name in files for name in _SIGNS):
            folders.clear()  # a run holds no other runs
            if folder == top or not is_published(folder):  # a copy would count twice
                found.runs.append(folder)
        elif _FAILURES in files:
            for line in _recorded(folder / _FAILURES):
                job = Path(os.path.normpath(folder / str(line.get("job"))))
                if job.parent == Path(os.path.normpath(folder)):
                    found.failed_jobs[job] = str(line.get("problem"))


def _natural(path: Path) -> tuple[tuple[int, str], ...]:
    """Job 10 comes after job 9."""
    return tuple((len(part), part) if part.isdigit() else (0, part) for part in path.parts)


def _recorded(path: Path) -> Iterator[Mapping[str, Any]]:
    """The lines of a sweep's record that can be read."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_FAILURES_BYTES:
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry

"""Whether a run directory is as it was when the run finished, and whether it can be repeated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.files import read_json
from airl_cli.runs import layout
from airl_cli.runs.layout import MANIFEST
from airl_cli.runs.machine import describe_machine
from airl_cli.runs.manifest import differing_files, write_manifest
from airl_cli.runs.metrics import Row, read_metrics
from airl_cli.serialization import read_tensors
from airl_cli.text import printable

_FINAL = f"{layout.CHECKPOINTS}/{layout.FINAL}"
RECORD = (
    *(layout.CONFIG, layout.SPACES, layout.STATUS, layout.ENVIRONMENT, layout.PROVENANCE),
    *(layout.METRICS, layout.EVALUATION, layout.RESULT),
    f"{_FINAL}/{layout.POLICY_WEIGHTS}",
)
"""What a finished run of `airl train` has; a reward only where the trainer learns one."""

_CLOCKS = ("seconds", "steps_per_second")
_MAX_LISTED = 20


def write_run_manifest(run: Path) -> None:
    """Lists all files of a finished run, but for its lock, its log and what trackers keep."""
    write_manifest(run, [path for path in run.rglob("*") if _is_recorded(run, path)])


def _is_recorded(run: Path, path: Path) -> bool:
    first = path.relative_to(run).parts[0]
    left_out = first in (MANIFEST, layout.LOCK, "wandb") or path.suffix == ".log"
    return path.is_file() and not path.is_symlink() and not left_out


def differences_to_manifest(run: Path) -> list[str]:
    """What of a finished run is not as its manifest says, or missing from its record.

    Raises:
        InvalidValueError: If there is no manifest, or it is damaged.
    """
    if not (run / MANIFEST).is_file():
        raise InvalidValueError(
            f"{run} has no {MANIFEST}: the run did not finish, or an earlier edition wrote it.",
            "rerun=true trains it again from its record and compares.",
        )
    layout.refuse_links(run)
    missing = [f"{name}: missing" for name in RECORD if not (run / name).is_file()]
    differing = differing_files(run)
    known = {line.partition(":")[0] for line in missing}
    return [*missing, *(line for line in differing if line.partition(":")[0] not in known)]


def differences(run: Path, again: Path) -> list[str]:
    """Where two finished runs differ, from the first round on; durations are not compared.

    Args:
        run: The recorded one.
        again: The one that repeats it.

    Returns:
        Lines, the earliest difference first; empty if both are the same to the bit.
    """
    found = [
        *_first(_metrics(read_metrics(run / layout.METRICS), read_metrics(again / layout.METRICS))),
        *_weights(run, again),
        *_first(_values(run, again, layout.EVALUATION)),
        *_first(_values(run, again, layout.RESULT)),
    ]
    return found[:_MAX_LISTED]


def _first(lines: Iterator[str]) -> list[str]:
    line = next(lines, None)
    return [] if line is None else [line]


def _metrics(ours: list[Row], theirs: list[Row]) -> Iterator[str]:
    for number, (before, now) in enumerate(zip_longest(ours, theirs)):
        if before is None or now is None:
            yield f"{layout.METRICS}: {len(ours)} rounds, now {len(theirs)}"
            return
        for name in before:
            if name not in _CLOCKS and not _same(before[name], now.get(name, math.nan)):
                shown = f"{before[name]!r}, now {now.get(name)!r}"
                yield f"{layout.METRICS}: round {number}, {printable(name, 60)}: {shown}"


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _weights(run: Path, again: Path) -> Iterator[str]:
    for name in (layout.POLICY_WEIGHTS, layout.REWARD_WEIGHTS):
        if not any((folder / _FINAL / name).exists() for folder in (run, again)):
            continue  # behaviour cloning learns no reward
        before, now = (read_tensors(folder / _FINAL / name) for folder in (run, again))
        for key, tensor in before.items():
            other = now.get(key)
            if other is None or not _same_bits(tensor, other):
                yield f"{_FINAL}/{name}: {printable(key, 80)}"
                break


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.numpy().tobytes() == b.numpy().tobytes()


def _values(run: Path, again: Path, name: str) -> Iterator[str]:
    before, now = read_json(run / name), read_json(again / name)
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        raise InvalidValueError(f"{run / name} is damaged: it holds no mapping")
    machine = describe_machine()["versions"]
    for key, value in before.items():
        timed = str(key).endswith("seconds") or key in machine
        if not timed and value != now.get(key):
            shown = printable(f"{value!r}, now {now.get(key)!r}", 120)
            yield f"{name}: {printable(str(key), 60)}: {shown}"


def machine_differences(run: Path) -> list[str]:
    """Versions, threads and facts of the machine that differ from those of the recorded run."""
    try:
        before = read_json(run / layout.ENVIRONMENT)
    except AirlError:
        return [f"{layout.ENVIRONMENT} cannot be read"]
    if not isinstance(before, Mapping):
        return [f"{layout.ENVIRONMENT} is damaged"]
    then, now = (dict(_facts(facts)) for facts in (before, describe_machine()))
    lines = [
        f"{name}: {printable(str(then.get(name)), 80)}, now {printable(str(now.get(name)), 80)}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if isinstance(before.get("resumed"), list) and before["resumed"]:
        lines.append(f"the run was resumed {len(before['resumed'])} times")
    return lines[:_MAX_LISTED]


def _facts(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = ("platform", "cpu", "cpus_usable", "torch_threads", "accelerator", "git_commit")
    for name in names:
        yield name, environment.get(name)
    versions = environment.get("versions")
    yield from versions.items() if isinstance(versions, Mapping) else ()

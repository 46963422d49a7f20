"""What a run ran on: versions, processor, threads, commit."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from airl_cli.errors import AirlError
from airl_cli.evaluation import versions
from airl_cli.serialization import read_json, write_json

_MORE_PACKAGES = ("numpy", "seals", "sb3_contrib", "mujoco", "hydra-core", "safetensors")


def describe_machine() -> dict[str, Any]:
    """JSON-able facts that numbers and speeds depend on."""
    return {
        "versions": {**versions(), **_more_versions()},
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "torch_threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git_commit": git_commit(Path(__file__).parent),
        "command": sys.argv,
    }


def record_resumption(path: Path, rounds: int) -> None:
    """Adds the machine that goes on with a run to what is known of the one that began it.

    Args:
        path: Of the run's `environment.json`.
        rounds: Completed before.
    """
    try:
        before = read_json(path)
    except AirlError:
        before = {}
    machine = before if isinstance(before, dict) else {}
    earlier = machine.get("resumed")
    resumed = earlier if isinstance(earlier, list) else []
    now = {**describe_machine(), "after_rounds": rounds}
    write_json(path, {**machine, "resumed": [*resumed, now]})


def _more_versions() -> dict[str, str]:
    found = {}
    for package in _MORE_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def git_commit(folder: Path) -> str | None:
    """The commit checked out around `folder`, with `-dirty` for uncommitted changes.

    None where there is no repository, or git does not know the folder (a wheel installed into a
    virtual environment that happens to lie within somebody's repository).
    """
    try:
        if not _git(folder, "ls-files", "--", "."):
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}-dirty" if _git(folder, "status", "--porcelain", "-uno") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()

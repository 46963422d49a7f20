"""Where measurements go: JSON with the machine beside the numbers, and a table to read."""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airl_cli.runs.machine import describe_machine


def conditions(module: str) -> dict[str, Any]:
    """When, where and how a measurement was made.

    Args:
        module: As in `python -m <module>`.
    """
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        **describe_machine(),
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "load_average": os.getloadavg(),
    }


def worker(python: Path | str, module: str, *arguments: str) -> dict[str, Any]:
    """Runs a module in an interpreter; its last line of output is JSON.

    One thread in every library: no measurement depends on how many cores are free.

    Raises:
        subprocess.CalledProcessError: It failed; its own output stands above.
    """
    print("+", Path(python).parent.parent.name, "-m", module, *arguments, flush=True)
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(python), "-W", "ignore", "-m", module, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **threads},
    )
    result = json.loads(done.stdout.strip().splitlines()[-1])
    print("  ", result, f"load {os.getloadavg()[0]:.1f}", flush=True)
    return {**result, "load_average": os.getloadavg()}


def write(folder: Path, name: str, facts: dict[str, Any], table: Sequence[str]) -> None:
    """Writes `<name>.json` and `<name>.md`, and prints the table.

    Args:
        folder: Of the benchmark.
        name: Without ending.
        facts: JSON-able.
        table: Lines of Markdown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")
    text = "\n".join(table) + "\n"
    (folder / f"{name}.md").write_text(text)
    print("\n" + text)


def footer(facts: dict[str, Any]) -> str:
    """The line under a table that says how it came about."""
    load = ", ".join(f"{value:.1f}" for value in facts["load_average"])
    names = ("python", "torch", "stable_baselines3", "gymnasium")
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in names)
    return (
        f"`{facts['command']}`, {facts['date']}, {facts['cpu']}, {facts['cpus_usable']} cores "
        f"shared with other programs (load {load} at the start), one thread; {versions}."
    )


def median(values: Sequence[float]) -> float:
    """The median; infinity counts."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Mean, standard deviation and every value."""
    mean = statistics.mean(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    each = ", ".join(f"{value:,.{digits}f}" for value in values)
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f} ({each})"

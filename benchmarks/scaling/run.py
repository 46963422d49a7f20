"""Speed and memory of training against the size of things, and how long commands take to start.

    python -m benchmarks.scaling.run
    python -m benchmarks.scaling.run --only n_envs rounds

Training: a few rounds of PPO with the recipe's settings after one that warms up, each line in a
process of its own. Memory: the peak of the process, importing torch included. Results go to
`benchmarks/scaling/scaling.{json,md}`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common.report import conditions, footer, worker, write
from benchmarks.scaling.rounds import memory_over_rounds

HERE = Path(__file__).parent
N_ENVS = (1, 2, 4, 8, 16, 32, 64)
DEMONSTRATIONS = (10**3, 10**4, 10**5, 10**6, 10**7)
OBSERVATIONS = (4, 16, 64, 256, 1024, 4096)
ROUNDS = 1000
COMMANDS = (
    ("--help",),
    ("--version",),
    ("train", "--help"),
    ("train", "--cfg", "job"),
    ("evaluate", "--help"),
    ("transfer", "--help"),
    ("reward", "--help"),
    ("demos", "--help"),
    ("demos", "info", "path=nothing"),
    ("train", "seed=x"),
)


def trained(rounds: int, demonstrations: int, *overrides: str) -> dict[str, Any]:
    """Speed and memory of one training."""
    arguments = str(rounds), str(demonstrations), *overrides
    return worker(sys.executable, "benchmarks.scaling.worker", *arguments)


def by_n_envs() -> list[dict[str, Any]]:
    """Rounds of 2,048 steps throughout, of ever more copies."""
    rows = []
    for n in N_ENVS:
        more = f"env.n_envs={n}", f"generator.n_steps={2048 // n}"
        rows.append({"n_envs": n, **trained(5, 10_000, "env=cartpole", *more)})
    return rows


def by_demonstrations() -> list[dict[str, Any]]:
    """Transitions in memory."""
    return [{"transitions": n, **trained(5, n, "env=cartpole")} for n in DEMONSTRATIONS]


def by_observation_size() -> list[dict[str, Any]]:
    """An environment that costs nothing, with settings of the MuJoCo recipes."""
    rows = []
    for size in OBSERVATIONS:
        env = ("env=gym", "env.id=Synthetic-v0", "env.import_module=benchmarks.scaling.synthetic")
        more = f"+env.kwargs.size={size}", "recipe=half_cheetah-ppo"
        rows.append({"size": size, **trained(5, 10_000, *env, *more)})
    return rows


def by_command(repeats: int = 3) -> list[dict[str, Any]]:
    """Medians of the time that a command takes until it ends."""
    rows = []
    for command in COMMANDS:
        wall, cpu = [], []
        for _ in range(repeats):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "airl_cli", *command], capture_output=True)
            wall.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        rows.append(
            {
                "command": f"airl {' '.join(command)}",
                "cpu_seconds": round(statistics.median(cpu), 2),
                "wall_seconds": round(statistics.median(wall), 2),
            }
        )
        print("  ", rows[-1], flush=True)
    return rows


MEASUREMENTS = {
    "n_envs": by_n_envs,
    "demonstrations": by_demonstrations,
    "observation_size": by_observation_size,
    "rounds": lambda: [memory_over_rounds(ROUNDS)],
    "commands": by_command,
}


def table(facts: dict[str, Any]) -> list[str]:
    """A table per measurement."""
    lines = []
    for name, rows in facts["measured"].items():
        columns = [key for key in rows[0] if key not in ("load_average", "mib_at", "imports_mib")]
        lines += ["| " + " | ".join(key.replace("_", " ") for key in columns) + " |"]
        lines += ["|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(_cell(row[key]) for key in columns) + " |" for row in rows]
        lines += ["", f"Measured {facts['when'][name]}.", ""]
    return [*lines, footer(facts)]


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else f"`{value}`"


def main() -> None:
    """Measures what is asked for; the rest stays as it was measured before."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=sorted(MEASUREMENTS), default=None)
    options = parser.parse_args()
    file = HERE / "scaling.json"
    before = json.loads(file.read_text()) if file.exists() else {"measured": {}, "when": {}}
    facts = {**conditions("benchmarks.scaling.run"), "measured": {}, "when": {}}
    facts["measured"], facts["when"] = before["measured"], before["when"]
    for name in options.only or MEASUREMENTS:
        facts["measured"][name] = MEASUREMENTS[name]()
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        facts["when"][name] = f"{time.strftime('%Y-%m-%d %H:%M')}, {load}"
        write(HERE, "scaling", facts, table(facts))


if __name__ == "__main__":
    main()

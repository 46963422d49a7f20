"""What `airl train` reaches on tasks without a recipe, given nothing but the environment's id.

    python -m benchmarks.untuned.run                              # the cheap tasks, seeds 0 1 2
    python -m benchmarks.untuned.run Hopper-v5 HalfCheetah-v5 --seeds 0
    python -m benchmarks.untuned.run --gather                     # only the table

Runs `airl train env=gym env.id=<task> seed=<seed> trainer.total_timesteps=<STEPS[task]>`, one after
the other on one thread: the expert is trained with the defaults, too. Every `result.json` found is
gathered into `benchmarks/untuned/untuned.{json,md}`; a task that is refused or fails is listed with
what the command said. A finished run is not run again; an interrupted one resumes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from airl_cli.evaluation.statistics import bootstrap_interval, interquartile_mean
from benchmarks.common.report import conditions, footer, spread, write

HERE = Path(__file__).parent
STEPS = {  # environment steps of AIRL by task
    "CartPole-v1": 100_000,
    "InvertedPendulum-v5": 100_000,
    "Acrobot-v1": 200_000,
    "MountainCarContinuous-v0": 300_000,
    "FrozenLake-v1": 100_000,
    "CliffWalking-v1": 100_000,
    "MountainCar-v0": 300_000,
    "Pendulum-v1": 300_000,
    "Reacher-v5": 300_000,
    "InvertedDoublePendulum-v5": 300_000,
    "LunarLander-v3": 1_000_000,
    "Hopper-v5": 1_000_000,
    "Walker2d-v5": 1_000_000,
    "HalfCheetah-v5": 1_000_000,
    "Swimmer-v5": 1_000_000,
    "Ant-v5": 1_000_000,
    "Humanoid-v5": 3_000_000,
}
CHEAP = tuple(STEPS)[:6]
OUTCOME = "outcome.json"  # of a command: beside result.json, or in its place


def run(task: str, seed: int, root: Path) -> None:
    """One training by the command line that users have; what it said is kept if it fails."""
    folder = root / f"{task}-{seed}"
    if (folder / "result.json").exists():
        return
    arguments = [
        "train",
        "env=gym",
        f"env.id={task}",
        f"seed={seed}",
        f"trainer.total_timesteps={STEPS[task]}",
    ]
    print("+ airl", *arguments, flush=True)
    before = _processor_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "airl_cli", *arguments, f"hydra.run.dir={folder}", "resume=auto"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    print(done.stderr, end="", file=sys.stderr, flush=True)
    outcome = {
        "task": task,
        "seed": seed,
        "command": " ".join(["airl", *arguments]),
        "exit_code": done.returncode,
        "cpu_seconds": round(_processor_seconds() - before, 1),
    }
    if done.returncode != 0:
        outcome["problem"] = _problem(done.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OUTCOME).write_text(json.dumps(outcome) + "\n")


def _problem(stderr: str) -> str:
    """The first of the two lines with which a command is refused; else the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no message"])[-1]


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def gathered(root: Path) -> list[dict[str, Any]]:
    """The figures of every run that finished, and the outcome of every one that failed."""
    rows = []
    for folder in sorted(root.glob("*-*")):
        task, _, seed = folder.name.rpartition("-")
        row = {"task": task, "seed": int(seed), "exit_code": 0, "cpu_seconds": None}
        files = [folder / name for name in ("result.json", OUTCOME) if (folder / name).exists()]
        for file in files:
            row |= json.loads(file.read_text())
        rows += [row] if files else []
    order = list(STEPS)
    return sorted(rows, key=lambda row: (order.index(row["task"]), row["seed"]))


def scores_of(rows: list[dict[str, Any]]) -> list[float]:
    """The normalised scores of runs; those that failed or have no scale count as 0."""
    scores = [row.get("normalized_score") for row in rows]
    return [0.0 if s is None or not math.isfinite(s) else float(s) for s in scores]


def interval(scores: list[float]) -> str:
    """Interquartile mean with its 95 % bootstrap interval."""
    values = np.asarray(scores)
    low, high = bootstrap_interval(values)
    return f"{float(interquartile_mean(values)):.3f} [{float(low):.3f}, {float(high):.3f}]"


def table(facts: dict[str, Any]) -> list[str]:
    """A row per task, and the interquartile mean over all runs."""
    by_task = defaultdict(list)
    for row in facts["runs"]:
        by_task[row["task"]].append(row)
    lines = [
        "| task | steps | random | expert | learner | normalised score | lowest | "
        "seconds of processor time | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(task, rows) for task, rows in by_task.items()]
    pooled = scores_of(facts["runs"])
    lines += ["", f"Interquartile mean over all runs: {interval(pooled)}.", ""]
    note = (
        "Returns: mean ± deviation over seeds (each seed), 50 episodes each, actions sampled. "
        "Processor time includes the expert's training, which the first seed of a task pays. "
        "Failed runs count as 0 in the interquartile mean. One expert seed per task. "
    )
    return [*lines, note + footer(facts)]


def _line(task: str, rows: list[dict[str, Any]]) -> str:
    finished = [row for row in rows if row["exit_code"] == 0]
    seeds = ", ".join(str(row["seed"]) for row in rows)
    spent = ", ".join(
        "-" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.0f}" for row in rows
    )
    if not finished:
        return f"| {task} | {STEPS[task]:,} | | | | {rows[0]['problem']} | | {spent} | {seeds} |"
    returns = [
        spread([row[f"{who}_return_mean"] for row in finished], 1)
        for who in ("random", "expert", "learner")
    ]
    scores = scores_of(rows)
    cells = [task, f"{STEPS[task]:,}", *returns, spread(scores, 3), f"{min(scores):.3f}"]
    return "| " + " | ".join([*cells, spent, seeds]) + " |"


def main() -> None:
    """Trains what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", default=list(CHEAP), metavar="task")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--root", type=Path, default=Path("outputs/benchmarks/untuned"))
    parser.add_argument("--gather", action="store_true", help="train nothing")
    options = parser.parse_args()
    unknown = set(options.tasks) - set(STEPS)
    if unknown:
        parser.error(f"unknown tasks: {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    if not options.gather:
        for task in options.tasks:
            for seed in options.seeds:
                run(task, seed, options.root)
    facts = {**conditions("benchmarks.untuned.run"), "runs": gathered(options.root)}
    write(HERE, "untuned", facts, table(facts))


if __name__ == "__main__":
    main()

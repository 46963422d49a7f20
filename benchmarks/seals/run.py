"""Expert, learner and normalised score on the MuJoCo tasks of seals, with the recipes.

    python -m benchmarks.seals.run                              # seed 0 on all five
    python -m benchmarks.seals.run half_cheetah --seeds 0 1 2
    python -m benchmarks.seals.run half_cheetah --shared        # from what `imitation` learned from
    python -m benchmarks.seals.run --gather                     # only the table, of what there is

Runs `airl train env=<task> seed=<seed>`, one after the other on one thread, and gathers every
`result.json` found into `benchmarks/seals/seals.{json,md}`. A run that is finished already is not
run again, and one that was stopped goes on (`resume=auto`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.common.report import conditions, footer, spread, write
from benchmarks.time_to_expert.run import recorded

HERE = Path(__file__).parent
PEER = HERE.parent / "time_to_expert" / "half_cheetah.json"  # `imitation`'s curves on HalfCheetah
CPU = "benchmark.json"  # beside result.json: processor time of the whole command
TASKS = ("half_cheetah", "hopper", "walker2d", "swimmer", "ant")
SHARED = "half_cheetah, the demonstrations of `time_to_expert`"
FOLDERS = {  # of the runs of each row of the table, before the seed
    "half_cheetah": "half_cheetah",
    SHARED: "shared_half_cheetah",
    **{task: task for task in TASKS[1:]},
}


def run(task: str, seed: int, root: Path, overrides: list[str], row: str | None = None) -> None:
    """One training by the command line that users have, for a row of the table (the task's)."""
    folder = root / f"{FOLDERS[row or task]}-{seed}"
    command = ["train", f"env={task}", f"seed={seed}", f"hydra.run.dir={folder}", "resume=auto"]
    print("+ airl", *command, *overrides, flush=True)
    begun, before = (folder / "result.json").exists(), _processor_seconds()
    subprocess.run(
        [sys.executable, "-m", "airl_cli", *command, *overrides],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if not begun:
        spent = round(_processor_seconds() - before, 1)
        (folder / CPU).write_text(json.dumps({"cpu_seconds": spent}) + "\n")


def train_shared(seed: int, root: Path, overrides: list[str]) -> None:
    """HalfCheetah from the demonstrations that `imitation` learned from."""
    demonstrations = recorded("half_cheetah", Path("outputs/experts"))
    source = ["expert=trajectories", "recipe/expert=none", f"expert.path={demonstrations}"]
    run("half_cheetah", seed, root, [*source, *overrides], SHARED)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def gathered(root: Path) -> list[dict[str, Any]]:
    """Every finished run's figures."""
    rows = []
    for row, name in FOLDERS.items():
        for file in sorted(root.glob(f"{name}-*/result.json")):
            spent = file.with_name(CPU)
            cpu = json.loads(spent.read_text()) if spent.exists() else {"cpu_seconds": None}
            rows.append({"task": row, **json.loads(file.read_text()), **cpu})
    return rows


def peer(steps: int) -> dict[str, Any] | None:
    """What `imitation` had after as many steps, on the demonstrations of `time_to_expert`.

    They are of an expert trained with other settings; its score is by that one's return. Its curve
    ends where it reached 0.9 of the expert; a seed that got there earlier counts with that.
    """
    if not PEER.exists():
        return None
    facts = json.loads(PEER.read_text())
    seen = [[p for p in r["curve"] if p["env_steps"] <= steps][-1] for r in facts["imitation"]]
    return {
        "expert_return": facts["expert_return"],
        "returns": [point["return"] for point in seen],
        "env_steps": [point["env_steps"] for point in seen],
        "cpu_seconds": [point["cpu_seconds"] for point in seen],
        "seeds": [row["seed"] for row in facts["imitation"]],
    }


def peer_line(facts: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """`imitation` in a row of the table, its score by the random return of ours."""
    random = sum(row["random_return_mean"] for row in rows) / len(rows)
    scores = [(r - random) / (facts["expert_return"] - random) for r in facts["returns"]]
    spent = ", ".join(f"{seconds:.0f}" for seconds in facts["cpu_seconds"])
    cells = ["the same, `imitation` 1.0.1", "", f"{facts['expert_return']:,.0f}"]
    cells += [spread(facts["returns"]), spread(scores, 3), f"{max(facts['env_steps']):,}", "-"]
    return "| " + " | ".join([*cells, spent, ", ".join(map(str, facts["seeds"]))]) + " |"


def table(facts: dict[str, Any]) -> list[str]:
    """A row per task."""
    by_task = defaultdict(list)
    for row in facts["runs"]:
        by_task[row["task"]].append(row)
    lines = [
        "| task | random | expert | learner | normalised score | environment steps | seconds of "
        "AIRL on the clock | of processor time, whole command | seeds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for task, rows in by_task.items():
        returns = [
            spread([row[f"{who}_return_mean"] for row in rows])
            for who in ("random", "expert", "learner")
        ]
        score = spread([row["normalized_score"] for row in rows], 3)
        steps = f"{max(row['env_steps'] for row in rows):,}"
        seconds = spread([row["train_seconds"] for row in rows])
        seeds = ", ".join(str(row["seed"]) for row in rows)
        spent = ", ".join(
            "-" if r["cpu_seconds"] is None else f"{r['cpu_seconds']:.0f}" for r in rows
        )
        cells = [task, *returns, score, steps, seconds, spent, seeds]
        lines.append("| " + " | ".join(cells) + " |")
        if task == SHARED and facts["imitation"]:
            lines.append(peer_line(facts["imitation"], rows))
    note = "Returns: means over 50 episodes, actions sampled; over seeds ± deviation (each seed). "
    if facts["imitation"]:
        note += (
            "`imitation`: its tuned recipe, 16 episodes after the last round within 1,000,000 "
            "steps, time of its training alone (`benchmarks/time_to_expert/half_cheetah.json`). "
        )
    return [*lines, "", note + footer(facts)]


def main() -> None:
    """Trains what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="*", default=list(TASKS), metavar="task")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--root", type=Path, default=Path("outputs/benchmarks/seals"))
    parser.add_argument("--gather", action="store_true", help="train nothing")
    parser.add_argument("--overrides", nargs="*", default=[], help="for airl train")
    parser.add_argument("--shared", action="store_true", help="half_cheetah as `imitation` had it")
    options = parser.parse_args()
    unknown = set(options.tasks) - set(TASKS)
    if unknown:
        parser.error(f"unknown tasks: {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
    if not options.gather:
        for seed in options.seeds:
            if options.shared:
                train_shared(seed, options.root, options.overrides)
                continue
            for task in options.tasks:
                run(task, seed, options.root, options.overrides)
    facts = {
        **conditions("benchmarks.seals.run"),
        "runs": gathered(options.root),
        "imitation": peer(1_000_000),
    }
    write(HERE, "seals", facts, table(facts))


if __name__ == "__main__":
    main()

"""The transfer table: a reward learned under one dynamics, used under another.

For every seed: AIRL with a reward of states alone, AIRL with one of states and actions, and GAIL
in the training environment; then a new policy on each AIRL reward in the target environment.

    python benchmarks/transfer/run.py point_maze --seeds 0 1 2

Everything is done by the command line that users have; the table shows true returns in the
target. Results go to `benchmarks/transfer/<task>.{json,md}`, run directories to
`outputs/benchmarks/transfer/<task>/`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TASKS = {
    "point_maze": {
        "train": ["env=point_maze", "env.direction=left"],
        "target": ["env=point_maze", "env.direction=right"],
        "coverage": ["coverage=grid"],
    },
    "cartpole": {
        "train": ["env=cartpole_physics"],
        "target": ["env=cartpole_physics", "env.length=1.0", "env.force_mag=5.0"],
        "coverage": ["coverage=mixture"],
    },
    "ant": {
        "train": ["env=airl_ant"],
        "target": ["env=disabled_ant"],
        "coverage": ["coverage=mixture"],
    },
}
LEARNERS = {
    "state_only": ["reward=state_only"],
    "state_action": ["reward=shaped"],
    "gail": ["reward=basic", "trainer=gail"],
}


def airl(*arguments: str) -> float:
    """Runs a command; gives its wall-clock time in seconds."""
    print("airl", " ".join(arguments), flush=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "airl_cli", *arguments], check=True)
    return time.perf_counter() - start


def result(folder: Path) -> dict:
    """What a run measured."""
    return json.loads((folder / "result.json").read_text())


def one_seed(task: str, seed: int, root: Path, learners: list[str]) -> dict:
    """Trains and transfers for one seed; gives every figure of the table."""
    spec, row = TASKS[task], {"seed": seed}
    start = time.perf_counter()
    for name in learners:
        folder = root / f"{name}-{seed}"
        row[f"{name}_train_seconds"] = airl(
            "train", *spec["train"], *LEARNERS[name], f"seed={seed}", f"hydra.run.dir={folder}"
        )
        row[f"{name}_source_return"] = result(folder)["learner_return_mean"]
        row["demonstrator_return"] = result(folder)["expert_return_mean"]
    gail = [f"gail_run={root / f'gail-{seed}'}"] if "gail" in learners else []
    for name in (name for name in learners if name != "gail"):
        folder = root / f"transfer-{name}-{seed}"
        row[f"{name}_transfer_seconds"] = airl(
            *("transfer", f"run={root / f'{name}-{seed}'}", *spec["target"], f"seed={seed}"),
            *(*gail, f"hydra.run.dir={folder}"),
        )
        row[name] = result(folder)
    airl("reward", f"run={root / f'state_only-{seed}'}", *spec["coverage"])
    row["reward"] = json.loads((root / f"state_only-{seed}" / "reward.json").read_text())
    row["seconds"] = time.perf_counter() - start
    row["load_average"] = os.getloadavg()[1]
    return row


# Heading, learner and key of a figure; those of a learner that was left out are not in the table.
LINES = (
    ("(a) trained on the true reward", "state_only", "expert_return_mean"),
    ("(b) AIRL, state only", "state_only", "learner_return_mean"),
    ("(b) AIRL, state-action", "state_action", "learner_return_mean"),
    ("(c) AIRL's policy as it is", "state_only", "source_return_mean"),
    ("(d) GAIL's policy as it is", "state_only", "gail_return_mean"),
    ("(e) random", "state_only", "random_return_mean"),
    ("transfer score, state only", "state_only", "transfer_score"),
    ("transfer score, state-action", "state_action", "transfer_score"),
    ("Pearson correlation of g with the true reward", "reward", "pearson"),
    ("normalised score, state only", "state_only", "normalized_score"),
    ("normalised score, state-action", "state_action", "normalized_score"),
)


def table(task: str, rows: list[dict], learners: list[str]) -> str:
    """The paper's table, mean and standard deviation over seeds."""
    out = [f"| {task}: true return in the target | mean | std | each seed |", "|---|---|---|---|"]
    for name, learner, key in LINES:
        values = [row.get(learner, {}).get(key) for row in rows]
        if values.count(None) == len(values):
            continue
        form = "{:.2f}" if name.startswith("(") else "{:.3f}"
        known = [value for value in values if value is not None]  # none: (a) and (c) are the same
        each = ", ".join("-" if value is None else form.format(value) for value in values)
        out.append(
            f"| {name} | {form.format(np.mean(known))} | {form.format(np.std(known))} | {each} |"
        )
    seconds = ", ".join(f"{r['seconds']:.0f} (load {r['load_average']:.1f})" for r in rows)
    seeds = " ".join(str(r["seed"]) for r in rows)
    command = f"python benchmarks/transfer/run.py {task} --seeds {seeds}"
    if len(learners) < len(LEARNERS):
        command += f" --learners {' '.join(learners)}"
    return "\n".join(
        [*out, "", f"Seconds per seed, all of it: {seconds}. Command: `{command}`", ""]
    )


def earlier(task: str) -> list[dict]:
    """The rows of the last table."""
    file = HERE / f"{task}.json"
    return json.loads(file.read_text()) if file.exists() else []


def main() -> None:
    """Runs a task over seeds and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--add", action="store_true", help="keep the table's other seeds")
    args = parser.parse_args()
    learners = [name for name in LEARNERS if name in {"state_only", *args.learners}]
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    root = Path("outputs/benchmarks/transfer") / args.task / stamp
    rows = [one_seed(args.task, seed, root, learners) for seed in args.seeds]
    if args.add:
        rows += [row for row in earlier(args.task) if row["seed"] not in args.seeds]
        rows.sort(key=lambda row: row["seed"])
    (HERE / f"{args.task}.json").write_text(json.dumps(rows, indent=2) + "\n")
    (HERE / f"{args.task}.md").write_text(table(args.task, rows, learners))
    print(table(args.task, rows, learners))


if __name__ == "__main__":
    main()

"""Training time until the expert's level: airl-cli beside `imitation` 1.0.1, by turns.

    python -m benchmarks.time_to_expert.run cartpole --seeds 0 1 2
    python -m benchmarks.time_to_expert.run half_cheetah --seeds 0 1 2

Both get the same recorded demonstrations and one thread. After every round of either the policy
plays 16 fresh episodes, its actions sampled, while the clocks stand. Reached is: 475 of 500 on
seals/CartPole-v0, 0.9 of the demonstrations' mean return on seals/HalfCheetah-v1. Results go to
`benchmarks/time_to_expert/<task>.{json,md}`.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import imitation_venv
from benchmarks.common.report import conditions, footer, median, spread, worker, write

HERE = Path(__file__).parent
EPISODES = {"cartpole": 60, "half_cheetah": 32}  # of demonstrations
MAX_STEPS = {"cartpole": 2_000_000, "half_cheetah": 1_500_000}  # of imitation
NAMES = {"airl_cli": "airl-cli", "imitation": "imitation 1.0.1"}


def recorded(task: str, cache: Path) -> Path:
    """Demonstrations of the task's cached (or now trained) expert, in a file both can read."""
    path = Path(f"outputs/benchmarks/demonstrations/{task}.npz")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = ["demos", "record", f"path={path}", "format=npz", f"env={task}", "expert=ppo"]
        more = [f"expert.n_episodes={EPISODES[task]}", f"expert.cache_dir={cache}"]
        subprocess.run([sys.executable, "-m", "airl_cli", *command, *more], check=True)
    return path


def mean_return(path: Path) -> float:
    """Of the recorded episodes."""
    with np.load(path) as file:
        return float(file["rews"].sum() / len(file["lengths"]))


def table(task: str, facts: dict[str, Any]) -> list[str]:
    """Steps and times of both, every seed, and the factors of the medians."""
    rows = {name: facts[name] for name in NAMES}
    lines = [
        f"| {task}: until 16 episodes average {facts['threshold']:,.0f} "
        f"(expert {facts['expert_return']:,.0f}) | reached | environment steps | "
        "seconds of processor time | seconds on the clock |",
        "|---|---|---|---|---|",
    ]
    for name, label in NAMES.items():
        got = [row for row in rows[name] if row["reached"]]
        cells = ["env_steps", "cpu_seconds", "wall_seconds"]
        values = [spread([row[c] for row in got]) if got else "-" for c in cells]
        lines.append(f"| {label} | {len(got)} of {len(rows[name])} | " + " | ".join(values) + " |")
    factors = [_factor(rows, cell) for cell in ("env_steps", "cpu_seconds", "wall_seconds")]
    lines.append("| factor of the medians | | " + " | ".join(factors) + " |")
    return [*lines, "", "Mean ± standard deviation (each seed). " + footer(facts)]


def _factor(rows: dict[str, list[dict[str, Any]]], cell: str) -> str:
    middle = {
        name: median([row[cell] if row["reached"] else math.inf for row in rows[name]])
        for name in NAMES
    }
    if math.isinf(middle["airl_cli"]):
        return "-"
    if math.isinf(middle["imitation"]):
        least = median([row[cell] for row in rows["imitation"]]) / middle["airl_cli"]
        return f"over {least:.1f}"
    return f"{middle['imitation'] / middle['airl_cli']:.1f}"


def main() -> None:
    """Measures both by turns, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", choices=sorted(EPISODES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--venv", type=Path, default=imitation_venv.DEFAULT)
    parser.add_argument("--experts", type=Path, default=Path("outputs/experts"))
    parser.add_argument("--overrides", nargs="*", default=[], help="for airl-cli's config")
    parser.add_argument("--resume", action="store_true", help="keep seeds that are done already")
    options = parser.parse_args()
    demonstrations = recorded(options.task, options.experts)
    expert = mean_return(demonstrations)
    threshold = 475.0 if options.task == "cartpole" else 0.9 * expert
    python = imitation_venv.python_of(options.venv)
    facts: dict[str, Any] = {
        **conditions("benchmarks.time_to_expert.run"),
        "imitation": [],
        "airl_cli": [],
        "threshold": threshold,
        "expert_return": expert,
    }
    partial = HERE / f"{options.task}.partial.json"
    if options.resume and partial.exists():
        facts = {**facts, **json.loads(partial.read_text())}
    done = {row["seed"] for row in facts["imitation"]}
    for seed in (seed for seed in options.seeds if seed not in done):
        common = [options.task, str(seed), str(demonstrations), str(threshold)]
        overrides = ["--overrides", *options.overrides] if options.overrides else []
        module = "benchmarks.time_to_expert"
        ours = worker(sys.executable, f"{module}.airl_cli_worker", *common, *overrides)
        facts["airl_cli"].append({"seed": seed, **ours})
        limit = str(MAX_STEPS[options.task])
        theirs = worker(python, f"{module}.imitation_worker", *common, limit)
        facts["imitation"].append({"seed": seed, **theirs})
        partial.write_text(json.dumps(facts))
    partial.unlink(missing_ok=True)
    write(HERE, options.task, facts, table(options.task, facts))


if __name__ == "__main__":
    main()

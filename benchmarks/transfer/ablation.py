"""What each part of the point maze's recipe adds: the same experiment without it.

    python benchmarks/transfer/ablation.py --seeds 0 1 2

Writes `benchmarks/transfer/ablation.{json,md}`; run directories go to
`outputs/benchmarks/transfer/ablation/`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from run import HERE, TASKS, airl, result

TWENTY_ROUNDS = "trainer.gen_replay_buffer_capacity=40960"
NO_PENALTY = "trainer.base_box_penalty=0"
VARIANTS = {
    "g(s), the recipe": ["reward=state_only"],
    "g(s), no penalty": ["reward=state_only", NO_PENALTY],
    "g(s), samples of twenty rounds": ["reward=state_only", TWENTY_ROUNDS],
    "g(s), neither": ["reward=state_only", NO_PENALTY, TWENTY_ROUNDS],
    "g(s, a), the recipe": ["reward=shaped"],
    "g(s, a), neither": ["reward=shaped", NO_PENALTY, TWENTY_ROUNDS],
}


def one(folder: Path, choice: list[str], seed: int) -> dict:
    """Trains, looks at the reward, transfers."""
    spec = TASKS["point_maze"]
    source, target = folder / f"source-{seed}", folder / f"target-{seed}"
    airl("train", *spec["train"], *choice, f"seed={seed}", f"hydra.run.dir={source}")
    airl("reward", f"run={source}", *spec["coverage"])
    airl("transfer", f"run={source}", *spec["target"], f"seed={seed}", f"hydra.run.dir={target}")
    return {
        "seed": seed,
        "source": result(source),
        "pearson": json.loads((source / "reward.json").read_text())["pearson"],
        "target": result(target),
        "load_average": os.getloadavg()[1],
    }


def table(found: dict[str, list[dict]], seeds: list[int]) -> str:
    """Mean over seeds, and each of them."""
    lines = ["| variant | Pearson on the grid | transfer score | each seed |", "|---|---|---|---|"]
    for name, rows in found.items():
        scores = [row["target"]["transfer_score"] for row in rows]
        pearson = np.mean([row["pearson"] for row in rows])
        each = ", ".join(f"{score:.3f}" for score in scores)
        lines.append(f"| {name} | {pearson:.3f} | {np.mean(scores):.3f} | {each} |")
    command = f"python benchmarks/transfer/ablation.py --seeds {' '.join(map(str, seeds))}"
    return "\n".join([*lines, "", f"Command: `{command}`", ""])


def main() -> None:
    """Runs every variant over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    root = Path("outputs/benchmarks/transfer/ablation") / time.strftime("%Y-%m-%d_%H-%M-%S")
    found: dict[str, list[dict]] = {}
    for i, (name, choice) in enumerate(VARIANTS.items()):
        found[name] = [one(root / str(i), choice, seed) for seed in seeds]
        (HERE / "ablation.json").write_text(json.dumps(found, indent=2) + "\n")
        (HERE / "ablation.md").write_text(table(found, seeds))
    print(table(found, seeds))


if __name__ == "__main__":
    main()

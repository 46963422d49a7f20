"""How long `airl report` takes over a thousand run directories, and how large its page gets.

    python benchmarks/report.py --runs 1000 --rounds 300 --out benchmarks/report.json

Clones one real run (`--like`, else a new one of `experiment=smoke`) under other seeds, learning
rates and environments, with as many rounds in `metrics.csv` as asked for, then runs the real
command over them, as a new process.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

COPIED = ("config.json", "environment.json", "result.json", "spaces.json", "status.json")
ENVIRONMENTS = ("seals/CartPole-v0", "Pendulum-v1", "seals/MountainCar-v0", "Acrobot-v1")


def main() -> None:
    """Makes the runs, times the command, prints the summary and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=300, help="rows in each metrics.csv")
    parser.add_argument("--seeds", type=int, default=5, help="of each config")
    parser.add_argument("--like", type=Path, help="the run to clone")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.like or train(folder / "model")
        rng = np.random.default_rng(0)
        for number in range(options.runs):
            clone(model, folder / "runs" / str(number), number, options, rng)
        seconds, cpu_seconds, pages = measure(folder)
    summary = {
        "runs": options.runs,
        "groups": -(-options.runs // options.seeds),
        "rounds": options.rounds,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "bytes": pages,
    }
    print(json.dumps(summary, indent=2))
    if options.out:
        options.out.write_text(json.dumps(summary, indent=2) + "\n")


def train(path: Path) -> Path:
    """A small run of the real command."""
    command = ["train", "experiment=smoke", "expert=random", f"hydra.run.dir={path}"]
    subprocess.run([sys.executable, "-m", "airl_cli", *command], check=True, capture_output=True)
    return path


def clone(
    model: Path, path: Path, number: int, options: argparse.Namespace, rng: np.random.Generator
) -> None:
    """A run like the model's, with a config, a seed and numbers of its own."""
    path.mkdir(parents=True)
    for name in COPIED:
        shutil.copy(model / name, path / name)
    if (model / ".hydra").is_dir():
        shutil.copytree(model / ".hydra", path / ".hydra")
    group, seed = divmod(number, options.seeds)
    env_id = ENVIRONMENTS[group % len(ENVIRONMENTS)]
    config = json.loads((model / "config.json").read_text())
    config["seed"] = seed
    config["env"]["id"] = env_id
    config["generator"]["learning_rate"] = 1e-3 * (1 + group)
    write(path / "config.json", config)
    returns = learning(rng, options.rounds)
    score = (returns[-1] - 30.0) / 470.0
    result = json.loads((model / "result.json").read_text())
    result |= {"env_id": env_id, "seed": seed, "learner_return_mean": returns[-1]}
    result |= {"expert_return_mean": 500.0, "random_return_mean": 30.0, "normalized_score": score}
    write(path / "result.json", result)
    with (model / "metrics.csv").open(newline="") as file:
        header, first, *_ = csv.reader(file)
    row = dict(zip(header, first, strict=True))
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        for n, value in enumerate(returns):
            changes = {"round": n, "env_steps": 2048 * (n + 1), "seconds": 0.7 * (n + 1)}
            writer.writerow({**row, **changes, "true_return_mean": value})


def learning(rng: np.random.Generator, rounds: int) -> list[float]:
    """Noisy returns that rise from 30 towards 500."""
    rise = 1 / (1 + np.exp(-(np.linspace(-4, 6, rounds) - rng.normal())))
    return np.clip(30 + 470 * rise + rng.normal(0, 15, rounds), 0, 500).tolist()


def measure(folder: Path) -> tuple[float, float, dict[str, int]]:
    """Seconds, seconds of processor time, and the sizes of the files."""
    command = ["report", str(folder / "runs"), f"hydra.run.dir={folder / 'report'}"]
    before, start = children_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "airl_cli", *command], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    assert "runs" in done.stdout
    sizes = {path.name: path.stat().st_size for path in sorted((folder / "report").glob("*.*"))}
    return seconds, children_seconds() - before, sizes


def children_seconds() -> float:
    """Processor time of the processes started from here so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write(path: Path, content: Any) -> None:
    """JSON."""
    path.write_text(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()

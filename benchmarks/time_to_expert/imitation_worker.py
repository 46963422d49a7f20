"""One training of `imitation` until the threshold; prints JSON. Runs in its own environment."""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

from stable_baselines3.common.evaluation import evaluate_policy

from benchmarks.common.imitation_airl import make_trainer, make_venv
from benchmarks.common.until import train_until


def main() -> None:
    """Trains, evaluating after every round on stopped clocks."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("seed", type=int)
    parser.add_argument("demonstrations", type=Path)
    parser.add_argument("threshold", type=float)
    parser.add_argument("max_steps", type=int)
    options = parser.parse_args()
    venv = make_venv(options.task, options.seed)
    fresh = make_venv(options.task, 10_000 * (1 + options.seed))

    def mean_return(_: int) -> float:
        return evaluate_policy(trainer.policy, fresh, 16, deterministic=False)[0]

    with tempfile.TemporaryDirectory() as logs:
        trainer = make_trainer(options.task, venv, options.demonstrations, options.seed, Path(logs))
        result = train_until(options.threshold, trainer, options.max_steps, mean_return)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

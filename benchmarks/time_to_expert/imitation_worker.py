"""One training of `imitation` until the threshold; prints JSON. Runs in its own environment."""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

from stable_baselines3.common.evaluation import evaluate_policy

from benchmarks.common.clock import Stopwatch
from benchmarks.common.imitation_airl import make_trainer, make_venv


class Reached(Exception):
    """The learner is good enough."""


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
    clock, curve = Stopwatch(), []

    def after_round(number: int) -> None:
        clock.stop()
        mean, _ = evaluate_policy(trainer.policy, fresh, 16, deterministic=False)
        steps = trainer.gen_algo.num_timesteps
        curve.append({"env_steps": steps, "return": round(float(mean), 1), **clock.read()})
        if mean >= options.threshold:
            raise Reached
        clock.start()

    with tempfile.TemporaryDirectory() as logs:
        trainer = make_trainer(options.task, venv, options.demonstrations, options.seed, Path(logs))
        clock.start()
        try:
            trainer.train(options.max_steps, after_round)
            reached = False
        except Reached:
            reached = True
    print(json.dumps({"reached": reached, **curve[-1], "curve": curve}))


if __name__ == "__main__":
    main()

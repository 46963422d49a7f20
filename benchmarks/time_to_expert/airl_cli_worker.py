"""One training of airl-cli until the threshold; prints JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from airl_cli.config.instantiation import instantiate
from airl_cli.evaluation import evaluate_policy_returns
from benchmarks.common.airl_cli_airl import composed, make_trainer, recorded_demonstrations
from benchmarks.common.until import train_until


def main() -> None:
    """Trains with the recipe of the task, evaluating after every round on stopped clocks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("seed", type=int)
    parser.add_argument("demonstrations")
    parser.add_argument("threshold", type=float)
    parser.add_argument("--overrides", nargs="*", default=[])
    options = parser.parse_args()
    config = composed(
        *(f"env={options.task}", f"seed={options.seed}", "expert=trajectories"),
        *(f"expert.path={options.demonstrations}", *options.overrides),
    )
    env = instantiate(config["env"])
    demonstrations = recorded_demonstrations(config, options.seed)
    venv = env.make(options.seed)

    def mean_return(number: int) -> float:
        seed = 10_000 * (1 + options.seed) + number
        return evaluate_policy_returns(trainer.policy, env, 16, seed).mean()

    with tempfile.TemporaryDirectory() as logs:
        trainer = make_trainer(config, venv, demonstrations, Path(logs))
        steps = config["trainer"]["total_timesteps"]
        result = train_until(options.threshold, trainer, steps, mean_return)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Rounds of airl-cli's AIRL and of PPO on the true reward by turns; prints JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from airl_cli.config.instantiation import instantiate
from airl_cli.quiet import leave_no_log_folder
from benchmarks.common.airl_cli_airl import (
    Config,
    composed,
    make_generator,
    make_trainer,
    recorded_demonstrations,
)
from benchmarks.common.phases import phases_of
from benchmarks.overhead.turns import by_turns


def stock_ppo(config: Config, env: Any, seed: int) -> BaseAlgorithm:
    """`stable_baselines3.PPO` with the recipe's hyperparameters, as SB3 would run it by itself."""
    generator = {**config["generator"], "_target_": "stable_baselines3.PPO"}
    generator["policy_kwargs"] = {
        key: value for key, value in generator["policy_kwargs"].items() if key != "optimizer_kwargs"
    }
    algorithm = instantiate(generator)(env=env.make(seed), seed=seed)
    leave_no_log_folder(algorithm)
    return algorithm


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("demonstrations")
    parser.add_argument("rounds", type=int)
    parser.add_argument("--overrides", nargs="*", default=[])
    options = parser.parse_args()
    config = composed(
        *(f"env={options.task}", "expert=trajectories"),
        *(f"expert.path={options.demonstrations}", *options.overrides),
    )
    env = instantiate(config["env"])
    with tempfile.TemporaryDirectory() as logs:
        demonstrations = recorded_demonstrations(config, 0)
        trainer = make_trainer(config, env.make(0), demonstrations, Path(logs))
        buffer = trainer.gen_algo.rollout_buffer
        phases = phases_of(trainer, buffer, "compute_returns_and_advantage")
        references = {
            "same generator": make_generator(config, env.make(1)),
            "stock PPO": stock_ppo(config, env, 2),
        }
        result = by_turns(trainer, references, options.rounds, phases)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

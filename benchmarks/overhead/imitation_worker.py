"""Rounds of `imitation`'s AIRL and of PPO on the true reward by turns; prints JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

from benchmarks.common.clock import Stopwatch
from benchmarks.common.imitation_airl import make_generator, make_trainer, make_venv
from benchmarks.common.phases import Phases
from benchmarks.overhead.turns import Turns


def main() -> None:
    """Measures."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("demonstrations", type=Path)
    parser.add_argument("rounds", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as logs:
        venv = make_venv(options.task, 0)
        trainer = make_trainer(options.task, venv, options.demonstrations, 0, Path(logs))
        phases = Phases()
        phases.wrap(trainer.gen_algo, "collect_rollouts", "rollout")
        phases.wrap(trainer.gen_algo, "train", "policy update")
        phases.wrap(trainer.venv_wrapped, "reward_fn", "pricing")
        phases.wrap(trainer, "train_disc", "discriminator")
        reference = make_generator(options.task, make_venv(options.task, 1), 1)
        turns = Turns({"stock PPO": reference}, trainer.gen_train_timesteps, Stopwatch, phases)
        trainer.train(trainer.gen_train_timesteps * (options.rounds + 1), turns.after_round)
    print(json.dumps(turns.result()))


if __name__ == "__main__":
    main()

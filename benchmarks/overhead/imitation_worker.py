"""Rounds of `imitation`'s AIRL and of PPO on the true reward by turns; prints JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

from benchmarks.common.imitation_airl import make_generator, make_trainer, make_venv
from benchmarks.common.phases import phases_of
from benchmarks.overhead.turns import by_turns


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
        phases = phases_of(trainer, trainer.venv_wrapped, "reward_fn")
        references = {"stock PPO": make_generator(options.task, make_venv(options.task, 1), 1)}
        result = by_turns(trainer, references, options.rounds, phases)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

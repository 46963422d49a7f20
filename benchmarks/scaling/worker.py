"""A few rounds of AIRL in a process of its own; prints speed and peak memory as JSON."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.config.instantiation import instantiate
from airl_cli.data import Transitions
from benchmarks.common.airl_cli_airl import composed, make_trainer
from benchmarks.common.clock import Stopwatch


def made_up(venv: VecEnv, n: int) -> Transitions:
    """`n` transitions of the right shapes; what they say does not matter here."""
    rng = np.random.default_rng(0)
    shape = venv.observation_space.shape or ()
    obs = rng.standard_normal((n, *shape), dtype=np.float32)
    if isinstance(venv.action_space, spaces.Discrete):
        acts = rng.integers(venv.action_space.n, size=n)
    else:
        acts = rng.uniform(-1, 1, (n, *(venv.action_space.shape or ()))).astype(np.float32)
    return Transitions(
        obs, acts, np.full(n, {}, dtype=object), np.roll(obs, -1, 0), np.zeros(n, bool)
    )


def peak_mib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Trains for a few rounds behind one that warms up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int)
    parser.add_argument("demonstrations", type=int)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    config = composed(*options.overrides)
    venv = instantiate(config["env"]).make(0)
    clock, started = Stopwatch(), peak_mib()

    def after_round(number: int) -> None:
        if number == 0:
            clock.start()

    with tempfile.TemporaryDirectory() as logs:
        demonstrations = made_up(venv, options.demonstrations)
        trainer = make_trainer(config, venv, demonstrations, Path(logs))
        del demonstrations
        steps = options.rounds * trainer.gen_train_timesteps
        trainer.train(steps + trainer.gen_train_timesteps, after_round)
        clock.stop()
    result = {
        "steps_per_cpu_second": round(steps / clock.cpu),
        "steps_per_second": round(steps / clock.wall),
        "peak_mib": round(peak_mib()),
        "imports_mib": round(started),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

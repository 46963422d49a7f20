"""Steps per second of AIRL over those of Stable-Baselines3's own PPO, alternating in one process.

    python -m benchmarks.profile.ratio

Four ways to train with the same hyperparameters and numbers of steps take turns, a round each:
SB3's PPO on the environment's own reward in SB3's `DummyVecEnv`; `FastPPO` likewise; AIRL with
SB3's PPO; AIRL with `FastPPO`. What else runs on the machine then slows all of them alike; the
median of the ratios of neighbouring rounds is what counts. By the wall clock and, for busy
machines, by the time of the process alone. One torch thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.envs import make_vec_env
from airl_cli.generators import FastPPO
from airl_cli.quiet import leave_no_log_folder
from benchmarks.profile.where_time_goes import SETTINGS, generator_settings, make_trainer

Round = Callable[[], None]


def ppo_round(name: str, algorithm: type[PPO], lean: bool) -> Round:
    """A round of training on the environment's own reward."""
    venv: Any = make_vec_env(SETTINGS[name]["id"], rng=np.random.default_rng(0))
    if not lean:
        venv.__class__ = DummyVecEnv  # the same environments, stepped by SB3's code
    model = algorithm("MlpPolicy", venv, **generator_settings(name))
    leave_no_log_folder(model)
    steps = model.n_steps * venv.num_envs
    return lambda: model.learn(steps, reset_num_timesteps=False, log_interval=None)  # type: ignore


def airl_round(name: str, algorithm: type[PPO]) -> Round:
    """A round of AIRL: rollout, pricing, policy update, four discriminator updates."""
    trainer = make_trainer(name, algorithm)
    return lambda: trainer.train(trainer.gen_train_timesteps)


def measure(name: str, repetitions: int) -> dict[str, Any]:
    """Median steps per second of each way, and its ratio to SB3's PPO."""
    ways: dict[str, Round] = {
        "SB3 PPO": ppo_round(name, PPO, lean=False),
        "FastPPO": ppo_round(name, FastPPO, lean=True),
        "AIRL, SB3 PPO": airl_round(name, PPO),
        "AIRL, FastPPO": airl_round(name, FastPPO),
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for repetition in range(repetitions + 1):
        for way, one_round in ways.items():
            wall, process = time.perf_counter(), time.process_time()
            one_round()
            if repetition:  # first calls are slower
                spent = time.perf_counter() - wall, time.process_time() - process
                seconds[way].append(spent)
    steps = 256 * 8
    plain = np.array(seconds["SB3 PPO"])
    result = {}
    for way, spent in seconds.items():
        ratios = np.median(plain / np.array(spent), axis=0)
        result[way] = {
            "steps_per_second": round(steps / np.median([wall for wall, _ in spent])),
            "ratio_wall": round(float(ratios[0]), 2),
            "ratio_process": round(float(ratios[1]), 2),
        }
    return result


def main() -> None:
    """Measures both environments, and writes `ratio.json` beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    repetitions = parser.parse_args().repetitions
    th.set_num_threads(1)
    results = {name: measure(name, repetitions) for name in SETTINGS}
    for name, ways in results.items():
        print(name)
        for way, figures in ways.items():
            print(f"  {way:<16}" + "  ".join(f"{k}={v}" for k, v in figures.items()))
    path = Path(__file__).with_name("ratio.json")
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

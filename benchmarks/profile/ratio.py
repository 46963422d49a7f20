"""Steps per second of AIRL over those of Stable-Baselines3's own PPO, alternating in one process.

    python -m benchmarks.profile.ratio

Five ways to train with the same hyperparameters and numbers of steps take turns, a round each:
SB3's PPO on the environment's own reward in SB3's `DummyVecEnv`; the same with the policy's
evaluation of minibatches compiled by `torch.compile`, which needs a C++ compiler; `FastPPO`
likewise; AIRL with SB3's PPO; AIRL with `FastPPO`. What else runs on the machine then slows all
of them alike; the median of the ratios of neighbouring rounds is what counts. By the wall clock
and, for busy machines, by the time of the process alone. One torch thread.
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


def make_ppo(name: str, algorithm: type[PPO], lean: bool) -> PPO:
    """To be trained on the environment's own reward."""
    venv: Any = make_vec_env(SETTINGS[name]["id"], rng=np.random.default_rng(0))
    if not lean:
        venv.__class__ = DummyVecEnv  # the same environments, stepped by SB3's code
    model = algorithm("MlpPolicy", venv, **generator_settings(name))
    leave_no_log_folder(model)
    return model


def learning(model: PPO) -> Round:
    """A rollout and the update on it."""
    steps = model.n_steps * model.n_envs
    return lambda: model.learn(steps, reset_num_timesteps=False, log_interval=None)  # type: ignore


def compiled_round(name: str) -> Round:
    """As SB3's PPO, the forward and backward passes of its minibatches as compiled kernels."""
    model = make_ppo(name, PPO, lean=False)
    model.policy.evaluate_actions = th.compile(model.policy.evaluate_actions)  # type: ignore
    return learning(model)


def airl_round(name: str, algorithm: type[PPO]) -> Round:
    """A round of AIRL: rollout, pricing, policy update, four discriminator updates."""
    trainer = make_trainer(name, algorithm)
    return lambda: trainer.train(trainer.gen_train_timesteps)


def measure(name: str, repetitions: int) -> dict[str, Any]:
    """Median steps per second of each way, and its ratio to SB3's PPO."""
    ways: dict[str, Round] = {
        "SB3 PPO": learning(make_ppo(name, PPO, lean=False)),
        "SB3 PPO, compiled": compiled_round(name),
        "FastPPO": learning(make_ppo(name, FastPPO, lean=True)),
        "AIRL, SB3 PPO": airl_round(name, PPO),
        "AIRL, FastPPO": airl_round(name, FastPPO),
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    first: dict[str, float] = {}
    for repetition in range(repetitions + 1):
        for way, one_round in ways.items():
            wall, process = time.perf_counter(), time.process_time()
            one_round()
            spent = time.perf_counter() - wall, time.process_time() - process
            if repetition:
                seconds[way].append(spent)
            else:  # what is slow once: compiling, above all
                first[way] = round(spent[0], 1)
    steps = 256 * 8
    plain = np.array(seconds["SB3 PPO"])
    result = {}
    for way, times in seconds.items():
        ratios = np.median(plain / np.array(times), axis=0)
        result[way] = {
            "steps_per_second": round(steps / np.median([wall for wall, _ in times])),
            "ratio_wall": round(float(ratios[0]), 2),
            "ratio_process": round(float(ratios[1]), 2),
            "first_round_seconds": first[way],
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
            print(f"  {way:<20}" + "  ".join(f"{k}={v}" for k, v in figures.items()))
    path = Path(__file__).with_name("ratio.json")
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
